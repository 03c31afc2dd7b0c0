/** The less common attributes of a tag: the Element's own options. */

import { readOptions } from "../options.js";
import { failure } from "../page.js";

/**
 * @param {import("../wish.js").Given} given
 * @returns {Record<string, any>} Options for the Element; throws a Failure `invalid_tag` that names each wrong value.
 */
export default function options(given) {
  const { options, faults } = readOptions(given);
  if (faults.length) throw failure("invalid_tag", faults.join(" "));
  return options;
}

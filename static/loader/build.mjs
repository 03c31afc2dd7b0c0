/**
 * Builds the loader: `static/embed/{version}/{hash}.js`, and `manifest.json`, which names the current files.
 *
 * Files of other versions are left alone: pages that have pinned them go on loading them. With --check nothing is
 * written, and the exit status says whether what is there was built from these sources.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const ROOT = new URL("../../", import.meta.url);
const path = (relative) => new URL(relative, ROOT).pathname;
const read = (relative) => readFileSync(path(relative));

const VERSION = /^version = "(.+)"$/m.exec(read("pyproject.toml").toString())[1];
const ELEMENTS = "node_modules/cronofy-elements";
const ELEMENTS_VERSION = JSON.parse(read(`${ELEMENTS}/package.json`).toString()).version;
const LANGUAGES = ["ar", "de", "es", "fr", "ja"];
/** Each part, and what it loads by its own table; those come first. A page that frames a guest names it in its HTML. */
const PARTS = {
  options: [],
  guest: [],
  popup: [],
  simulate: [],
  doctor: [],
  outcome: LANGUAGES.map((language) => `words/${language}`),
  keeper: [...LANGUAGES.map((language) => `words/${language}`), "simulate", "doctor"],
  inline: ["options", "outcome"],
  frame: ["options", "outcome"],
};
/** What the core loads. */
const CORE = ["inline", "frame", "keeper", "popup"];
const OUT = `static/embed/${VERSION}`;

const integrity = (content) => `sha384-${createHash("sha384").update(content).digest("base64")}`;

async function compile(entry, define, format) {
  const { outputFiles } = await build({
    entryPoints: [path(`static/loader/${entry}`)],
    bundle: true,
    minify: true,
    write: false,
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    loader: { ".json": "json" },
    define,
    ...format,
  });
  return Buffer.from(outputFiles[0].contents);
}

/** Writes a file under a name that says its content; the hash is SHA-256 in base64. */
function keep(content) {
  const hash = createHash("sha256").update(content).digest("base64");
  const file = `${hash.slice(0, 16).replace(/[+/]/g, "-")}.js`;
  built.set(file, content);
  return { file, hash };
}

/** The table of what a script loads, as it knows it: name to hash. */
const table = (names) => JSON.stringify(Object.fromEntries(names.map((name) => [name, scripts[name].hash])));

/** @type {Map<string, Buffer>} */
const built = new Map();

const define = {
  __VERSION__: JSON.stringify(VERSION),
  __BUNDLE_PATH__: JSON.stringify(`elements/${ELEMENTS_VERSION}/CronofyElements.js`),
  __BUNDLE_INTEGRITY__: JSON.stringify(integrity(read(`${ELEMENTS}/dist/CronofyElements.js`))),
};
// A part leaves its export on its own tag, where the loader picks it up: no global. A <form name="currentScript">
// shadows the property of document, but not the getter behind it.
const TAG = 'Object.getOwnPropertyDescriptor(Document.prototype,"currentScript").get.call(document)';
const asPart = {
  format: "iife",
  globalName: "part",
  banner: { js: "(()=>{" },
  footer: { js: `${TAG}.exported=part.default})();` },
};
/** Name to file. @type {Record<string, {file: string, hash: string}>} */
const scripts = {};
// A language's texts; English comes with the keeper.
for (const language of LANGUAGES) {
  const texts = JSON.parse(read(`static/loader/words/${language}.json`).toString());
  scripts[`words/${language}`] = keep(Buffer.from(`${TAG}.exported=${JSON.stringify(texts)}`));
}
for (const [name, known] of Object.entries(PARTS)) {
  const compiled = await compile(`parts/${name}.js`, { ...define, __PARTS__: table(known) }, asPart);
  scripts[name] = keep(compiled);
}
const core = keep(await compile("main.js", { ...define, __PARTS__: table(CORE) }, { format: "iife" }));

// A preload is used only where its integrity is written as the loader writes it.
const listed = ({ file, hash }) => ({ file, integrity: `sha256-${hash}` });
const manifest = {
  version: VERSION,
  core: { file: core.file, integrity: integrity(built.get(core.file)) },
  parts: Object.fromEntries(Object.entries(scripts).map(([name, script]) => [name, listed(script)])),
};
const described = `${JSON.stringify(manifest, null, 2)}\n`;
if (process.argv.includes("--check")) {
  if (read("static/embed/manifest.json").toString() !== described) {
    console.error("static/embed is not what static/loader builds: run `npm run build` and commit both.");
    process.exit(1);
  }
} else {
  rmSync(path(OUT), { recursive: true, force: true });
  mkdirSync(path(OUT), { recursive: true });
  for (const [file, content] of built) writeFileSync(path(`${OUT}/${file}`), content);
  writeFileSync(path("static/embed/manifest.json"), described);
}

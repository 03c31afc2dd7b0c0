/**
 * Opens pages in Firefox and tells what came of each: reads [{url, selector, frame}] from standard input, writes
 * [{found, console, violations}]. Playwright drives no Firefox but its own; Debian's speaks WebDriver BiDi.
 */

import puppeteer from "puppeteer-core";

const [, , executablePath] = process.argv;
const DEADLINE = 60_000;

async function read(stream) {
  let text = "";
  for await (const chunk of stream) text += chunk;
  return JSON.parse(text);
}

/** The first frame of the page that shows the selector; null where none does in time. */
async function shows(page, selector) {
  const end = performance.now() + DEADLINE;
  while (performance.now() < end) {
    for (const frame of page.frames()) {
      const node = await frame.$(selector).catch(() => null);
      if (await node?.isVisible()) return frame;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return null;
}

async function visit(browser, { url, selector }) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  const lines = [];
  page.on("console", (message) => lines.push(`${message.type()}: ${message.text()}`));
  await page.goto(url, { timeout: DEADLINE });
  const frame = await shows(page, selector);
  const answer = { found: frame !== null, framed: frame !== null && frame !== page.mainFrame(), console: lines };
  await page.close();
  return answer;
}

const pages = await read(process.stdin);
const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  protocolTimeout: DEADLINE,
});
try {
  const answers = [];
  for (const page of pages) answers.push(await visit(browser, page));
  process.stdout.write(JSON.stringify(answers));
} finally {
  await browser.close();
}

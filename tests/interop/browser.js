// Looks at a timeline's page in a real browser: it shows the answer, runs nothing, loads nothing, fits a phone and a desktop.
// Usage: node browser.js PAGE FOLDER (screenshots go there). CHROMIUM names another browser than the one npm brings.
"use strict";
const assert = require("node:assert");
const path = require("node:path");
const { pathToFileURL } = require("node:url");
const puppeteer = require("puppeteer-core");

const [file, folder] = process.argv.slice(2);
const address = pathToFileURL(path.resolve(file)).href;

async function look(browser, { scheme, width }) {
  const page = await browser.newPage();
  const loaded = [];
  const said = [];
  page.on("request", (request) => loaded.push(request.url()));
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("dialog", (dialog) => { said.push(dialog.message()); dialog.dismiss(); });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.setViewport({ width, height: 900 });
  await page.goto(address, { waitUntil: "load" });
  const seen = await page.evaluate(() => ({
    answer: document.querySelector("h1").innerText,
    title: document.title,
    bars: [...document.querySelectorAll(".bar")].filter((bar) => bar.getBoundingClientRect().width >= 2).length,
    phases: document.querySelectorAll("table")[0].tBodies[0].rows.length,
    events: document.querySelectorAll("table")[1].tBodies[0].innerText,
    scripts: document.scripts.length,
    images: document.images.length,
    paper: getComputedStyle(document.body).backgroundColor,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  await page.screenshot({ path: path.join(folder, `timeline-${scheme}-${width}.png`), fullPage: true });
  await page.close();
  assert.deepEqual(loaded, [address], "the page asked for something else");
  assert.deepEqual(said, [], "the browser's console is not empty");
  assert.match(seen.answer, /sent at .* by inst-/i);
  assert(seen.title.endsWith(seen.answer), seen.title);
  assert(seen.phases >= 4, `${seen.phases} phases`);
  assert.equal(seen.bars, seen.phases, "each phase has a bar that can be seen");
  for (const type of ["MESSAGE_QUEUED", "MESSAGE_SENT", "EXECUTION_PAUSED"]) assert(seen.events.includes(type), type);
  assert(seen.events.includes("<script>"), "the hostile reason is shown as it was written");
  assert.equal(seen.scripts + seen.images, 0, "the hostile reason became an element");
  assert.equal(seen.overflow, 0, "the page is wider than the window");
  return seen.paper;
}

async function launch() {
  try {
    const { default: bundled } = await import("@sparticuz/chromium");
    const executablePath = process.env.CHROMIUM || (await bundled.executablePath());
    return await puppeteer.launch({ executablePath, args: bundled.args, headless: "shell" });
  } catch (error) {
    throw new Error("make interop needs a browser: the one npm brings needs Linux on x86-64, else set CHROMIUM", { cause: error });
  }
}

async function main() {
  const browser = await launch();
  try {
    const light = await look(browser, { scheme: "light", width: 1280 });
    const dark = await look(browser, { scheme: "dark", width: 1280 });
    assert.notEqual(light, dark, "light and dark look alike");
    await look(browser, { scheme: "light", width: 390 });
    console.log(`browser: ${await browser.version()} shows the timeline, light and dark, wide and narrow`);
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});

// Opens a report as people do: headless Chromium at phone and desktop width, in light and dark, without scripts, in print.
//
//   npm install playwright-core axe-core && node tests/verify/look.mjs REPORT.html OUT
//
// CHROMIUM names the browser (default /usr/bin/chromium). Writes a picture each and print.pdf into OUT, and exits with 1
// where the page says anything on the console, asks for anything, scrolls sideways as a whole, or axe finds a fault.

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const fromHere = createRequire(path.join(process.cwd(), "package.json"));
const { chromium } = fromHere("playwright-core");
const axe = fs.readFileSync(fromHere.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const [file, out] = process.argv.slice(2);
if (!file || !out) {
  console.error("look.mjs: give a report and a folder for its pictures");
  process.exit(2);
}
fs.mkdirSync(out, { recursive: true });
const url = `file://${path.resolve(file)}`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

let faults = 0;
for (const [name, width] of [["phone", 390], ["desktop", 1280]]) {
  for (const colorScheme of ["light", "dark"]) {
    // The page forbids scripts; axe is one.
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
    const page = await context.newPage();
    const said = [];
    const asked = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(String(error)));
    page.on("request", (request) => {
      if (request.url() !== url && !request.url().startsWith("data:")) asked.push(request.url());
    });
    await page.goto(url);
    await page.screenshot({ path: `${out}/${name}-${colorScheme}.png`, fullPage: true });
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    await page.evaluate(axe);
    const { violations, passes } = await page.evaluate((values) => axe.run(document, { runOnly: { type: "tag", values } }), TAGS);
    for (const found of violations) console.log(`  ${found.impact} ${found.id}: ${found.nodes[0].html.slice(0, 120)}`);
    console.log(
      `${name}, ${colorScheme}: ${said.length} console messages, ${asked.length} requests, ` +
        `${sideways ? "scrolls sideways" : "fits"}, axe: ${passes.length} rules passed, ${violations.length} violated`,
    );
    faults += said.length + asked.length + violations.length + Number(sideways);
    await context.close();
  }
}

const context = await browser.newContext({ javaScriptEnabled: false });
const page = await context.newPage();
await page.goto(url);
console.log(`without scripts: ${(await page.locator("body").innerText()).length} letters; ${fs.statSync(file).size} bytes`);
await page.pdf({ path: `${out}/print.pdf` });
await browser.close();
process.exit(faults ? 1 : 0);

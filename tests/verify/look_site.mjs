// Opens pages of the built documentation as people do: from disk, at phone and desktop width, in light and dark.
//
//   npm install playwright-core axe-core && node tests/verify/look_site.mjs build/site OUT [PAGE.html …]
//
// Without pages it opens all of them. CHROMIUM names the browser (default /usr/bin/chromium), CHROMIUM_ARGUMENTS what it
// is started with. Writes a picture of each into OUT, and exits with 1 where a page says anything on the console, asks
// for anything from elsewhere, scrolls sideways as a whole, or axe finds a fault, or where the search finds nothing.

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const fromHere = createRequire(path.join(process.cwd(), "package.json"));
const { chromium } = fromHere("playwright-core");
const axe = fs.readFileSync(fromHere.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const [site, out, ...named] = process.argv.slice(2);
if (!site || !out) {
  console.error("look_site.mjs: give the folder of the site and a folder for the pictures");
  process.exit(2);
}
fs.mkdirSync(out, { recursive: true });
const all = fs.readdirSync(site, { recursive: true }).filter((name) => name.endsWith(".html") && name !== "404.html");
const pages = named.length ? named : all.sort();
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: (process.env.CHROMIUM_ARGUMENTS ?? "--no-sandbox").split(" "),
});

let faults = 0;
for (const [name, width] of [["phone", 390], ["desktop", 1280]]) {
  for (const colorScheme of ["light", "dark"]) {
    const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
    for (const file of pages) {
      const page = await context.newPage();
      const said = [];
      const asked = [];
      page.on("console", (message) => said.push(message.text()));
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("request", (request) => {
        if (!/^(file|data|blob|about):/.test(request.url())) asked.push(request.url());
      });
      await page.goto(`file://${path.resolve(site, file)}`);
      await page.waitForTimeout(300);
      const picture = `${out}/${file.replace(/\W+/g, "-").replace(/-html$/, "")}-${name}-${colorScheme}.png`;
      await page.screenshot({ path: picture });
      const sideways = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      await page.evaluate(axe);
      const { violations } = await page.evaluate((values) => axe.run(document, { preload: false, runOnly: { type: "tag", values } }), TAGS);
      const wrong = said.length + asked.length + violations.length + Number(sideways);
      if (wrong) {
        console.log(`${file}, ${name}, ${colorScheme}:${sideways ? " scrolls sideways" : ""}`);
        for (const text of [...said, ...asked]) console.log(`  ${text.slice(0, 200)}`);
        for (const found of violations) {
          console.log(`  ${found.impact} ${found.id} (${found.nodes.length}): ${found.nodes[0].html.slice(0, 160)} ${found.nodes[0].any[0]?.message ?? ""}`);
        }
      }
      faults += wrong;
      await page.close();
    }
    await context.close();
  }
}

const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
await page.goto(`file://${path.resolve(site, "index.html")}`);
await page.locator("input.md-search__input").click();
await page.keyboard.type("layer_decay", { delay: 30 });
const first = page.locator(".md-search-result__link").first();
const found = await first.waitFor({ timeout: 20000 }).then(() => first.innerText(), () => "");
console.log(`search for layer_decay: ${found.split("\n")[0] || "nothing"}`);
await page.screenshot({ path: `${out}/search.png` });
await browser.close();
console.log(`${pages.length} pages, four times each: ${faults} faults`);
process.exit(faults || !found ? 1 : 0);

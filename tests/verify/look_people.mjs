// Opens people.html as people do: headless Chromium at phone and desktop width, in light and dark, by keyboard, without
// scripts. Bash reads the commands that the page writes.
//
//   npm install playwright-core axe-core && node tests/verify/look_people.mjs OUT/people.html PICTURES
//
// CHROMIUM names the browser (default /usr/bin/chromium). Writes pictures into PICTURES, and exits with 1 where the page
// says anything on the console, asks for anything, scrolls sideways, loads no faces, or axe finds a fault.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const fromHere = createRequire(path.join(process.cwd(), "package.json"));
const { chromium } = fromHere("playwright-core");
const axe = fs.readFileSync(fromHere.resolve("axe-core/axe.min.js"), "utf8");
const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const [file, out] = process.argv.slice(2);
if (!file || !out) {
  console.error("look_people.mjs: give a page and a folder for its pictures");
  process.exit(2);
}
fs.mkdirSync(out, { recursive: true });
const url = pathToFileURL(file).href;
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("dialog", (dialog) => said.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
  page.on("request", (request) => {
    if (decodeURI(request.url()) !== decodeURI(url) && !request.url().startsWith("data:")) said.push(request.url());
  });
  const begun = Date.now();
  await page.goto(url);
  await page.waitForFunction(() => !document.querySelector(".face[data-tile]") || document.querySelector(".face[class*=' s']"));
  return { context, page, said, milliseconds: Date.now() - begun };
}

const loaded = (page) => page.locator(".face[class*=' s']").count();
const words = async (page) =>
  execFileSync("bash", ["-c", `printf '%s\\0' ${await page.locator("#line").textContent()}`]).toString().split("\0").slice(0, -1);
const check = (page) => page.evaluate((values) => axe.run(document, { runOnly: { type: "tag", values } }), TAGS);

let faults = 0;
const data = JSON.parse(fs.readFileSync(file, "utf8").match(/id="data">(.*)<\/script>/)[1]);
for (const [name, width] of [["phone", 390], ["desktop", 1280]]) {
  for (const colorScheme of ["light", "dark"]) {
    // The page forbids the scripts of others; axe is one.
    const { context, page, said, milliseconds } = await open({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
    await page.screenshot({ path: `${out}/${name}-${colorScheme}.png` });
    const before = await loaded(page);
    for (let turn = 0; turn < 12; turn += 1) {
      await page.mouse.wheel(0, 900);
      await page.waitForTimeout(60);
    }
    await page.screenshot({ path: `${out}/${name}-${colorScheme}-scrolled.png` });
    const after = await loaded(page);
    for (const summary of await page.locator("summary").all()) await summary.click();
    for (const box of (await page.locator("h3 input").all()).slice(0, 2)) await box.check();
    for (const box of (await page.locator("#clusters section").nth(2).locator("input.face").all()).slice(0, 2)) await box.check();
    if (data.clusters.length) await page.fill("#name", "Ann O'Neil");
    await page.waitForTimeout(100);
    await page.screenshot({ path: `${out}/${name}-${colorScheme}-ticked.png` });
    await page.evaluate(() => scrollTo(0, document.body.scrollHeight));
    await page.waitForTimeout(300);
    await page.screenshot({ path: `${out}/${name}-${colorScheme}-end.png` });
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    await page.evaluate(axe);
    const { violations, passes } = await check(page);
    for (const found of violations) console.log(`  ${found.impact} ${found.id}: ${found.nodes[0].html.slice(0, 160)}`);
    for (const line of said) console.log(`  ${line}`);
    console.log(
      `${name}, ${colorScheme}: ${milliseconds} ms, ${said.length} messages and requests, ${sideways ? "scrolls sideways" : "fits"}, ` +
        `faces ${before}, scrolled ${after}, axe: ${passes.length} rules passed, ${violations.length} violated`,
    );
    faults += said.length + violations.length + Number(sideways) + Number(data.clusters.length > 40 && after <= before);
    await context.close();
  }
}

if (data.clusters.length > 2) {
  const { context, page, said } = await open({}); // under its own Content-Security-Policy
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className || document.activeElement.closest("h3")?.id || document.activeElement.textContent);
  const order = [];
  for (let turn = 0; turn < 6; turn += 1) {
    await page.keyboard.press("Tab");
    order.push(await focused());
  }
  console.log(`Tab: ${order.join(" → ")}`);
  assert.deepEqual(order.slice(0, 3), ["skip", "skip", `c${data.clusters[0].number}`]);
  assert.match(order[3], /^face/);
  const [first, second, third] = data.clusters;
  const face = page.locator("#clusters section").first().locator("input.face");
  await face.first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Space");
  assert.deepEqual(await face.evaluateAll((all) => [all[0].checked, all[1].checked, all[1] === document.activeElement]), [false, true, true]);
  await page.screenshot({ path: `${out}/keyboard.png` });
  assert.deepEqual(await words(page), ["finetune", "cluster", data.out, "--split", first.number, first.faces[1][1]]);
  await page.locator(`#c${second.number} input`).check();
  await page.locator(`#c${third.number} input`).check();
  const name = "Zoë O'Neil; $(touch x) `id` \"!\\";
  await page.fill("#name", name);
  const merged = ["--merge", second.number, third.number, "--name", second.number, name];
  assert.deepEqual(await words(page), ["finetune", "cluster", data.out, ...merged, "--split", first.number, first.faces[1][1]]);
  await page.click("#clear");
  assert.equal(await page.locator("#ticked").textContent(), "Nothing is ticked.");
  const once = page.locator("details").first();
  if (data.apart[0].faces.length) {
    await once.locator("summary").click();
    await once.locator("input.face").first().check();
    await page.locator(`#c${first.number} input`).check();
    assert.deepEqual((await words(page)).slice(3), ["--merge", first.number, data.apart[0].faces[0][1]]);
    await page.click("#clear");
  }
  const odd = data.clusters.findIndex(({ faces }) => faces.some(([photo]) => /[^\w./ -]/.test(photo)));
  if (odd >= 0) {
    while ((await page.locator("#clusters section").count()) <= odd) await page.click("#more");
    const own = page.locator("#clusters section").nth(odd).locator("input.face");
    for (const box of (await own.all()).slice(1)) await box.check();
    const text = await page.locator("#line").textContent();
    const told = execFileSync("bash", ["-c", `printf '%s\\0' ${text}`]).toString("latin1").split("\0").slice(5, -1);
    const bytes = (word) => [...word].map((letter) => (/[\udc80-\udcff]/.test(letter) ? String.fromCharCode(letter.charCodeAt(0) - 0xdc00) : Buffer.from(letter).toString("latin1"))).join("");
    assert.deepEqual(told, data.clusters[odd].faces.slice(1).map((face) => bytes(face[1])));
    console.log(`odd names: bash reads ${told.length} as they are: ${text.slice(-300)}`);
  }
  assert.deepEqual(said, []);
  await context.close();
}

const { context, page } = await open({ javaScriptEnabled: false }).catch(() => ({}));
void context;
if (page) {
  await page.screenshot({ path: `${out}/without-scripts.png` });
  console.log(`without scripts: ${(await page.locator("main").innerText()).slice(0, 120).replaceAll("\n", " ")}; ${fs.statSync(file).size} bytes`);
}
await browser.close();
process.exit(faults ? 1 : 0);

// Opens every page of a report from the disk, in a headless browser, and prints as JSON what is wrong with it.
//
//   node check.mjs REPORT BROWSER [SCREENSHOTS]
//
// With a third folder, it also takes the screenshots that the README shows.
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import puppeteer from "puppeteer-core";

const [report, executablePath, screenshots] = process.argv.slice(2);
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const here = pathToFileURL(path.resolve(report)).href;

// How many milliseconds to wait for anything at most: machines differ.
const patience = 600_000;
const browser = await puppeteer.launch({
  executablePath,
  headless: true,
  timeout: patience,
  protocolTimeout: patience,
  args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
});
const page = await browser.newPage();
page.setDefaultTimeout(patience);
await page.setViewport({ width: 1100, height: 760 });

// What pages do that they should not, with the page.
const problems = [];
let current = "";
const problem = (text) => problems.push(`${current}: ${text}`);
page.on("request", (request) => request.url().startsWith(`${here}/`) || problem(`requests ${request.url()}`));
page.on("requestfailed", (request) => problem(`cannot load ${request.url()}`));
page.on("pageerror", (error) => problem(`fails with ${error}`));
page.on("console", (message) => message.type() === "error" && problem(`logs ${message.text()}`));

async function open(name, scheme = "light") {
  current = name;
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await page.goto(`${here}/${name}`, { waitUntil: "load" });
}

function expect(condition, text) {
  if (!condition) problem(text);
}

async function violations() {
  const results = await page.evaluate(`${axe}; axe.run({ preload: false, resultTypes: ["violations"] })`);
  for (const { id, nodes } of results.violations) {
    problem(`breaks the rule ${id} at ${nodes.map((node) => node.html).slice(0, 3).join(" and ")}`);
  }
}

async function search(words) {
  await page.focus("#query");
  await page.$eval("#query", (query) => { query.value = ""; });
  await page.keyboard.type(words);
  await page.waitForFunction(() => document.getElementById("found").textContent !== "");
  return page.$$eval("#results a", (links) => links.map((link) => [link.textContent, link.getAttribute("href")]));
}

const files = await readdir(report, { recursive: true });
const pages = files.filter((name) => name.endsWith(".html")).sort();
for (const name of pages) {
  for (const scheme of ["light", "dark"]) {
    await open(name, scheme);
    await violations();
  }
}

// Long tables are shown as a whole, and stay accessible.
let expanded = 0;
for (const name of pages) {
  await open(name);
  for (const button of await page.$$(".more button")) {
    const before = await page.$$eval("tbody tr", (rows) => rows.length);
    await button.focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction((before) => document.querySelectorAll("tbody tr").length > before, {}, before);
    expanded += 1;
  }
  if ((await page.$(".more")) !== null) await violations();
}

// Only the keyboard: the first key leads past the header, and the search is the next field.
await open("index.html");
const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className);
await page.keyboard.press("Tab");
expect((await focused()) === "skip", "the first stop of the keyboard is not the link to the contents");
await page.keyboard.press("Tab");
await page.keyboard.press("Tab");
expect((await focused()) === "query", "the search cannot be reached with the keyboard");

// Search: a table, a column of it, and nothing.
const tables = await search("orders acme");
expect(tables.some(([text]) => text === "acme/orders"), `does not find a table: ${JSON.stringify(tables)}`);
const columns = await search("customer_em");
expect(columns.some(([text]) => text === "acme/orders: customer_email"), `does not find a column: ${JSON.stringify(columns)}`);
expect((await search("no such thing")).length === 0, "finds what is not there");
await search("customer_em");
await violations();
await page.click("#results a");
await page.waitForSelector("#c-customer_email");
current = "tables/acme/orders.html";
const inView = await page.$eval("#c-customer_email", (cell) => cell.getBoundingClientRect().top < window.innerHeight);
expect(inView, "a link to a column does not lead to it");

// A column that is not shown at first.
if (pages.includes("tables/acme/wide.html")) {
  await open("tables/acme/wide.html#c-column_199");
  await page.waitForSelector("#c-column_199");
}

// Without scripts, everything but the search and the rest of long tables is there.
await page.setJavaScriptEnabled(false);
await open("tables/acme/orders.html");
expect((await page.$$("tbody tr")).length > 8, "shows nothing without scripts");
expect((await page.$("#search[hidden]")) !== null, "shows a search that does not work");
await page.setJavaScriptEnabled(true);

// Paper.
await open("index.html");
await page.emulateMediaType("print");
expect(await page.$eval("[role=search]", (element) => getComputedStyle(element).display === "none"), "prints the search");
await page.emulateMediaType("screen");

if (screenshots) {
  for (const [name, file] of [["index.html", "report-overview.png"], ["versions/acme/orders/20260104_V0001.html", "report-held.png"]]) {
    await open(name);
    await page.screenshot({ path: path.join(screenshots, file) });
  }
}

await browser.close();
console.log(JSON.stringify({ pages: pages.length, expanded, problems }));

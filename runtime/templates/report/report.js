// Search, and the rest of long tables. Everything else on the pages needs no script.
"use strict";

(() => {
  const LIMIT = 50;
  const root = document.body.dataset.root;
  const search = document.getElementById("search");
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const results = document.getElementById("results");
  const shards = new Map();
  let expected = 0;

  function load(shard) {
    if (shards.has(shard)) return;
    shards.set(shard, []);
    const script = document.createElement("script");
    script.src = `${root}search/${shard}.js`;
    document.head.append(script);
  }

  // Each file of the index calls this, with how many files there are.
  let loaded = 0;
  window.tidemark = {
    async index(count, text) {
      expected = count;
      for (let shard = 1; shard < count; shard += 1) load(shard);
      let entries = [];
      try {
        entries = JSON.parse(await unpacked(text));
      } catch {
        found.textContent = "This browser is too old for the search.";
        return;
      }
      shards.set(loaded, entries.map(([table, description, pages, columns]) => ({
        table,
        pages,
        columns: columns ? columns.split(" ") : [],
        head: `${pages.map(([tenant]) => `${tenant}/${table}`).join(" ")} ${description}`.toLowerCase(),
        all: columns.toLowerCase(),
      })));
      loaded += 1;
      show();
    },
  };

  function* matches(words) {
    const byColumn = [];
    for (const entries of shards.values()) {
      for (const entry of entries) {
        if (words.every((word) => entry.head.includes(word))) {
          for (const page of entry.pages) {
            if (words.every((word) => `${page[0]}/${entry.head}`.includes(word))) yield [entry.table, page, []];
          }
        } else if (words.every((word) => entry.all.includes(word) || entry.head.includes(word))) {
          byColumn.push(entry);
        }
      }
    }
    for (const entry of byColumn) {
      const isNamed = (column) => words.some((word) => column.toLowerCase().includes(word));
      const columns = entry.columns.filter(isNamed);
      for (const page of entry.pages) yield [entry.table, page, columns];
    }
  }

  function item(table, [tenant, href], columns) {
    const link = document.createElement("a");
    link.href = root + href + (columns.length ? `#c-${columns[0]}` : "");
    const more = columns.length > 3 ? ", …" : "";
    link.textContent = `${tenant}/${table}` + (columns.length ? `: ${columns.slice(0, 3).join(", ")}${more}` : "");
    const line = document.createElement("li");
    line.append(link);
    return line;
  }

  function show() {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0 || expected === 0) {
      results.replaceChildren();
      found.textContent = "";
      return;
    }
    const lines = [];
    let count = 0;
    for (const match of matches(words)) {
      count += 1;
      if (lines.length < LIMIT) lines.push(item(...match));
    }
    results.replaceChildren(...lines);
    found.textContent = count > LIMIT ? `${count} found, the first ${LIMIT} are shown` : `${count} found`;
  }

  search.hidden = false;
  query.addEventListener("focus", () => load(0));
  query.addEventListener("input", () => {
    load(0);
    show();
  });

  async function unpacked(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    return new Response(stream).text();
  }

  const number = (value) => value.toLocaleString("en-US");

  function time(minutes) {
    const date = new Date(minutes * 60000);
    return Number.isNaN(date.getTime()) ? "?" : `${date.toISOString().slice(0, 16).replace("T", " ")}Z`;
  }

  function theDayBefore(name) {
    const date = new Date(Date.UTC(name.slice(0, 4), name.slice(4, 6) - 1, name.slice(6, 8) - 1));
    return date.toISOString().slice(0, 10).replaceAll("-", "") + name.slice(8);
  }

  // Rows of versions; runtime/src/report/compact.rs says what is left out.
  function versions([names, statuses, differences, inserted, updated, deleted, came, reasons]) {
    let name = "";
    let expectedRows = 0;
    let minutes = 0;
    return names.map((own, index) => {
      name = own === "" ? theDayBefore(name) : own;
      minutes += Number(came[index]);
      let numbers = ["", "", "", ""];
      if (differences[index] !== "") {
        const rows = expectedRows + Number(differences[index]);
        const changes = [inserted, updated, deleted].map((column) => Number(column[index]));
        expectedRows = rows - changes[0] + changes[2];
        numbers = [rows, ...changes].map(number);
      }
      return [name, statuses[index], ...numbers, time(minutes), reasons[index]];
    });
  }

  function row(cells) {
    const row = document.createElement("tr");
    cells.forEach((cell, index) => {
      const element = document.createElement(index === 0 ? "th" : "td");
      if (index === 0) element.scope = "row";
      element.textContent = cell;
      row.append(element);
    });
    return row;
  }

  async function expand(table, note) {
    const columns = (await unpacked(table.dataset.rest)).split("\n").map((line) => line.split("\t"));
    const rows = table.classList.contains("versions")
      ? versions(columns)
      : columns[0].map((_, index) => columns.map((column) => column[index]));
    table.tBodies[0].append(...rows.map(row));
    delete table.dataset.rest;
    note.textContent = `All ${table.tBodies[0].rows.length} are shown.`;
    note.tabIndex = -1;
    note.focus();
  }

  for (const table of document.querySelectorAll("table[data-rest]")) {
    const note = table.closest("section").querySelector(".more");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = `Show ${note.textContent.split(" ")[0]} ${note.dataset.what}`;
    button.addEventListener("click", () => expand(table, note).catch(() => {
      note.textContent = "This browser is too old to show them.";
    }));
    note.replaceChildren(button);
    note.setAttribute("role", "status");
  }

  // A link to a column, which may not be shown yet.
  async function follow() {
    const table = document.querySelector("table.columns");
    const [, name] = decodeURIComponent(location.hash).split("#c-");
    if (!table || !name) return;
    const find = () => [...table.tBodies[0].rows].find((row) => row.cells[0].textContent === name);
    if (!find() && table.dataset.rest) await expand(table, table.closest("section").querySelector(".more"));
    const row = find();
    if (!row) return;
    row.cells[0].id = `c-${name}`;
    row.cells[0].tabIndex = -1;
    row.cells[0].focus();
    row.scrollIntoView({ block: "center" });
  }
  window.addEventListener("hashchange", follow);
  follow();
})();

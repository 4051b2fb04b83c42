// Search, filter and sort for the table that is already in the page; what was chosen is kept in location.hash.
"use strict";
document.documentElement.className = "reading"; // a long table is not laid out before its first rows are known
addEventListener("DOMContentLoaded", () => {
  const table = document.getElementById("jobs");
  if (!table) return;
  const body = table.tBodies[0], search = document.getElementById("search"), count = document.getElementById("count");
  const STEP = 60; // rows that are laid out at a time
  const SEARCHED = [0, 1, 2, 3, 6]; // package, version, state, phase, reason
  const order = new Intl.Collator("en", { numeric: true });
  const rows = [...body.rows].map((tr, place) => ({
    tr, place, name: tr.id.slice(2), state: tr.dataset.state,
    text: SEARCHED.map((column) => tr.cells[column].textContent).join("\n").toLowerCase(),
  }));
  const byName = new Map(rows.map((row) => [row.name, row]));
  const heads = [...table.tHead.rows[0].cells];
  const chips = new Map();
  let chosen, matching = rows, shown = 0;

  // ---- what is chosen, and the hash that says so

  function read() {
    const hash = location.hash.slice(1);
    chosen = { words: "", states: new Set(), sort: "", down: false, row: "" };
    if (hash.startsWith("p-")) {
      try { chosen.row = decodeURIComponent(hash.slice(2)); } catch { /* no address of a row */ }
      return;
    }
    const given = new URLSearchParams(hash);
    chosen.words = given.get("q") ?? "";
    chosen.states = new Set((given.get("state") ?? "").split(",").filter((state) => chips.has(state)));
    const sort = given.get("sort") ?? "";
    chosen.down = sort.startsWith("-");
    chosen.sort = heads.some((th) => th.dataset.name === sort.replace(/^-/, "")) ? sort.replace(/^-/, "") : "";
    chosen.row = given.get("row") ?? "";
  }
  function write(method) {
    const said = new URLSearchParams();
    if (chosen.words) said.set("q", chosen.words);
    if (chosen.states.size) said.set("state", [...chosen.states].join(","));
    if (chosen.sort) said.set("sort", (chosen.down ? "-" : "") + chosen.sort);
    if (chosen.row) said.set("row", chosen.row);
    history[method](null, "", "#" + said);
  }

  // ---- the table

  function fits(row) {
    return (!chosen.states.size || chosen.states.has(row.state)) &&
      chosen.words.toLowerCase().split(/\s+/).every((word) => row.text.includes(word));
  }
  function value(row, column) {
    const cell = row.tr.cells[column];
    return cell.dataset.v !== undefined ? Number(cell.dataset.v) : cell.textContent;
  }
  function sorted(some) {
    const column = heads.findIndex((th) => th.dataset.name === chosen.sort);
    if (column < 0) return some;
    const sign = chosen.down ? -1 : 1;
    const keyed = some.map((row) => ({ row, key: value(row, column) }));
    keyed.sort((a, b) =>
      (a.key === "") - (b.key === "") || // what has no value comes last, whichever way
      sign * (typeof a.key === "number" ? a.key - b.key : order.compare(a.key, b.key)) || a.row.place - b.row.place);
    return keyed.map(({ row }) => row);
  }
  function more(until) {
    if (shown >= Math.min(until, matching.length)) return;
    const next = matching.slice(shown, until);
    body.append(...next.map((row) => row.tr));
    shown += next.length;
    watch.unobserve(end);
    if (shown < matching.length) watch.observe(end); // anew: it may be in sight still
  }
  function draw() {
    matching = sorted(rows.filter(fits));
    if (chosen.row && byName.has(chosen.row) && !matching.includes(byName.get(chosen.row))) {
      chosen.words = ""; // a link to a row shows it, whatever was searched for
      chosen.states.clear();
      write("replaceState");
      return draw();
    }
    body.replaceChildren();
    shown = 0;
    more(STEP);
    if (search.value !== chosen.words) search.value = chosen.words;
    for (const [state, button] of chips) button.setAttribute("aria-pressed", chosen.states.has(state));
    for (const th of heads) {
      if (th.dataset.name === chosen.sort) th.setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
      else th.removeAttribute("aria-sort");
    }
    const all = `${rows.length} package${rows.length === 1 ? "" : "s"}`;
    document.getElementById("none").hidden = matching.length > 0;
    count.textContent = matching.length === rows.length ? all : `${matching.length} of ${all}`;
    for (const row of rows) if (row.name === chosen.row || row.tr.className) row.tr.className = row.name === chosen.row ? "here" : "";
  }
  function go() { // to the row that is chosen
    const at = matching.indexOf(byName.get(chosen.row));
    if (at < 0) return;
    more(at + STEP);
    const { tr } = matching[at];
    tr.scrollIntoView({ block: "center" });
    tr.tabIndex = -1;
    tr.focus({ preventScroll: true });
  }
  const end = document.createElement("div");
  table.after(end);
  const watch = new IntersectionObserver(([seen]) => seen.isIntersecting && more(shown + STEP), { rootMargin: "600px" });

  // ---- what a person does

  search.closest("label").hidden = false;
  search.addEventListener("input", () => {
    chosen.words = search.value;
    chosen.row = "";
    write("replaceState");
    draw();
  });
  for (const li of document.querySelectorAll(".chips li")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...li.childNodes);
    li.append(button);
    li.className = "filter";
    chips.set(li.dataset.state, button);
    button.addEventListener("click", () => {
      if (!chosen.states.delete(li.dataset.state)) chosen.states.add(li.dataset.state);
      chosen.row = "";
      write("pushState");
      draw();
    });
  }
  for (const th of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = th.dataset.name = th.textContent;
    th.replaceChildren(button);
    button.addEventListener("click", () => {
      const name = th.dataset.name, large = name === "time" || name === "peak memory"; // the largest first
      if (chosen.sort !== name) [chosen.sort, chosen.down] = [name, large];
      else if (chosen.down === large) chosen.down = !large;
      else [chosen.sort, chosen.down] = ["", false];
      write("pushState");
      draw();
    });
  }
  document.addEventListener("click", (event) => {
    const href = event.target.closest("a")?.getAttribute("href") ?? "";
    if (!href.startsWith("#p-") || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    chosen.row = decodeURIComponent(href.slice(3));
    write("pushState");
    draw();
    go();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== search && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.select();
    } else if (event.key === "Escape" && document.activeElement === search && search.value) {
      event.preventDefault();
      search.value = "";
      search.dispatchEvent(new Event("input"));
    }
  });
  const restore = () => { read(); draw(); go(); };
  addEventListener("popstate", restore);
  addEventListener("beforeprint", () => more(Infinity));

  // ---- a run under way: the page is read anew, but not under somebody's hands

  const refresh = document.querySelector('meta[name="xsrc-refresh"]');
  if (refresh) {
    const wait = Number(refresh.content) * 1000;
    let busy = 0;
    for (const kind of ["keydown", "pointerdown", "wheel", "touchmove"])
      addEventListener(kind, () => { busy = Date.now(); }, { passive: true });
    const again = () => {
      if (document.hidden || Date.now() - busy < 5000 || !getSelection().isCollapsed) return setTimeout(again, 1000);
      const { selectionStart: from, selectionEnd: to } = search;
      const focus = document.activeElement === search ? [from, to] : null;
      try { sessionStorage.setItem("xsrc " + location.pathname, JSON.stringify({ top: scrollY, shown, focus })); } catch { /* not kept */ }
      location.reload();
    };
    setTimeout(again, wait);
  }
  function resume() {
    let kept = null;
    try {
      kept = JSON.parse(sessionStorage.getItem("xsrc " + location.pathname));
      sessionStorage.removeItem("xsrc " + location.pathname);
    } catch { /* nothing was kept */ }
    if (!kept) return go();
    more(kept.shown);
    scrollTo({ top: kept.top, behavior: "instant" });
    if (kept.focus) {
      search.focus({ preventScroll: true });
      search.setSelectionRange(...kept.focus);
    }
  }
  read();
  draw();
  document.documentElement.className = "";
  resume();
});


"use strict";
// Shows the people by portions as one scrolls, and writes the command that corrects what is ticked.
(() => {
  const FIRST = 24, PORTION = 20, LONG = 120;
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const sheets = document.querySelectorAll("script.sheet"), ready = new Set();
  const rules = document.styleSheets[0];
  const faces = new Map(); // a face's checkbox: its reference and its cluster, or null if it lies apart
  const clusters = new Map(); // a cluster's checkbox: the cluster

  function make(tag, properties = {}, ...inside) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...inside);
    return made;
  }

  // A sheet becomes one rule of the style, when the first of its faces comes near.
  const watcher = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      const tile = Number(target.dataset.tile), sheet = Math.floor(tile / data.each);
      if (!ready.has(sheet)) {
        ready.add(sheet);
        rules.insertRule(`.s${sheet}{background-image:url("data:image/jpeg;base64,${sheets[sheet].textContent}")}`, rules.cssRules.length);
      }
      target.classList.add(`s${sheet}`);
      target.style.backgroundPositionY = `${-(tile % data.each) * data.side}px`;
    }
  }, { rootMargin: "300px" });

  function show([path, reference, note, tile], cluster) {
    const told = note ? `${path} (${note})` : path;
    const face = make(reference ? "input" : "span", { className: "face", title: told });
    face.setAttribute("aria-label", told);
    if (reference) {
      face.type = "checkbox";
      face.autocomplete = "off";
      face.tabIndex = -1;
      faces.set(face, { reference, cluster });
    } else face.setAttribute("role", "img");
    if (tile >= 0) {
      face.dataset.tile = tile;
      watcher.observe(face);
    }
    return make("li", {}, face);
  }

  // One face of a list is in the order of the Tab key; the arrow keys lead to the others.
  function reach(list, face) {
    for (const other of list.querySelectorAll("input.face[tabindex='0']")) other.tabIndex = -1;
    if (face) face.tabIndex = 0;
    return face;
  }

  function fill(place, all, label, first, cluster) {
    const list = make("ul", { className: "faces" }, ...all.slice(0, first).map((face) => show(face, cluster)));
    list.setAttribute("aria-label", label);
    place.append(list);
    reach(list, list.querySelector("input.face"));
    if (all.length <= first) return;
    const button = make("button", { className: "all", type: "button", textContent: `Show all ${all.length}` });
    button.setAttribute("aria-label", `Show all ${all.length}: ${label}`);
    button.addEventListener("click", () => {
      const rest = all.slice(first).map((face) => show(face, cluster));
      list.append(...rest);
      button.remove();
      reach(list, rest[0].querySelector("input") ?? list.querySelector("input"))?.focus();
    });
    place.append(button);
  }

  function section(cluster) {
    const count = `${cluster.faces.length} ${cluster.faces.length === 1 ? "face" : "faces"}`;
    const box = make("input", { type: "checkbox", autocomplete: "off" });
    const told = make("span", { className: "faint", textContent: cluster.name ? ` ${cluster.number}, ${count}` : ` ${count}` });
    const title = make("h3", { id: `c${cluster.number}` }, make("label", {}, box, cluster.name || cluster.number, told));
    const made = make("section", {}, title);
    made.setAttribute("aria-labelledby", title.id);
    clusters.set(box, cluster);
    fill(made, cluster.faces, `Faces of ${cluster.name || cluster.number}`, FIRST, cluster);
    return made;
  }

  const more = at("more");
  let shown = 0;
  function portion() {
    at("clusters").append(...data.clusters.slice(shown, shown + PORTION).map(section));
    shown += PORTION;
    const left = data.clusters.length - shown;
    more.hidden = left <= 0;
    more.textContent = `Show more people (${left} left)`;
    nearing.unobserve(more);
    if (left > 0) nearing.observe(more); // again, since it may still be near
  }
  const nearing = new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && portion(), { rootMargin: "600px" });
  more.addEventListener("click", portion);

  document.querySelectorAll("details.apart").forEach((part, place) => {
    const { title, faces: all } = data.apart[place];
    part.addEventListener("toggle", () => fill(part, all, title, LONG, null), { once: true });
  });

  // What a shell takes as the one word. Without printable characters alone, it is written in Bash's form $'…'.
  function quoted(word) {
    if (/^[\w@%+=:,./-]+$/.test(word)) return word;
    if (/^[^\p{C}\u2028\u2029]*$/u.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
    const hex = (byte) => `\\x${byte.toString(16).padStart(2, "0")}`;
    const written = [...word].map((letter) => {
      const code = letter.codePointAt(0);
      if (code >= 0xdc80 && code <= 0xdcff) return hex(code - 0xdc00); // a byte of a name that is not UTF-8
      if (/[\p{C}\u2028\u2029]/u.test(letter)) return [...new TextEncoder().encode(letter)].map(hex).join("");
      return /['\\]/.test(letter) ? `\\${letter}` : letter;
    });
    return `$'${written.join("")}'`;
  }

  function command(name) {
    const people = [...clusters].filter(([box]) => box.checked).map(([, own]) => own);
    const ticked = [...faces].filter(([face]) => face.checked).map(([, own]) => own);
    const lone = ticked.filter(({ cluster }) => !cluster).map(({ reference }) => reference);
    const joined = [...people.map(({ number }) => number), ...lone];
    const [first, ...rest] = joined;
    const words = rest.flatMap((other) => ["--merge", first, other]);
    if (name && first) words.push("--name", first, name);
    for (const cluster of new Set(ticked.map((face) => face.cluster).filter(Boolean))) {
      const out = ticked.filter((face) => face.cluster === cluster).map(({ reference }) => reference);
      if (out.length === cluster.faces.length) return { people, ticked, told: `All faces of ${cluster.name || cluster.number} are ticked: leave one.` };
      words.push("--split", people.includes(cluster) ? first : cluster.number, ...out);
    }
    return { people, ticked, words, nameable: Boolean(first) };
  }

  function tell() {
    const { people, ticked, words = [], nameable = false, told } = command(at("name").value.trim());
    const some = (n, one, many) => (n ? [`${n} ${n === 1 ? one : many}`] : []);
    const counts = [...some(people.length, "person", "people"), ...some(ticked.length, "face", "faces")].join(" and ");
    const missing = nameable && !words.length ? " Tick another, or type a name." : "";
    at("ticked").textContent = told ?? (counts ? `Ticked: ${counts}.${missing}` : "Nothing is ticked.");
    at("typing").hidden = !counts;
    at("name").disabled = !nameable;
    at("copy").disabled = at("line").hidden = !words.length;
    const line = ["finetune", "cluster", data.out, ...words].map((word) => make("span", { textContent: quoted(word) }));
    at("line").replaceChildren(...line.flatMap((word) => [" ", word]).slice(1));
  }

  at("copy").addEventListener("click", async () => {
    getSelection().selectAllChildren(at("line"));
    try {
      await navigator.clipboard.writeText(at("line").textContent);
      at("ticked").textContent = "Copied.";
    } catch {
      at("ticked").textContent = document.execCommand("copy") ? "Copied." : "Selected: copy it with the keyboard.";
    }
  });
  at("clear").addEventListener("click", () => {
    for (const box of [...clusters.keys(), ...faces.keys()]) box.checked = false;
    at("name").value = "";
    tell();
    at("people").focus();
  });
  document.addEventListener("change", tell);
  at("name").addEventListener("input", tell);
  document.addEventListener("focusin", ({ target }) => target.matches("input.face") && reach(target.closest("ul"), target));
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches("input.face") || event.altKey || event.ctrlKey || event.metaKey) return;
    const own = [...event.target.closest("ul").querySelectorAll("input.face")], place = own.indexOf(event.target);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: own.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    own[next]?.focus();
  });

  for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
  portion();
})();

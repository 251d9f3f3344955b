"use strict";
(() => {
  const FIELDS = ["q", "status", "who", "priority"];
  const SHOWN = 200;

  /* The filter is in the fragment of the URL, which works in files too. */
  function read() { return new URLSearchParams(location.hash.slice(1)); }
  function write(form) {
    const kept = new URLSearchParams();
    for (const name of FIELDS) if (form.elements[name] && form.elements[name].value) kept.set(name, form.elements[name].value);
    history.replaceState(null, "", "#" + kept.toString());
    return kept;
  }
  function fits(wanted, text, status, who, priority) {
    const words = (wanted.get("q") || "").toLowerCase().split(/\s+/);
    return words.every((word) => text.includes(word)) && (!wanted.get("status") || wanted.get("status") === status) &&
      (!wanted.get("who") || wanted.get("who") === who) && (!wanted.get("priority") || wanted.get("priority") === priority);
  }
  function board(wanted) {
    let shown = 0;
    for (const tile of document.querySelectorAll(".tile")) {
      const on = fits(wanted, tile.dataset.text, "", tile.dataset.who, tile.dataset.priority);
      tile.hidden = !on;
      shown += on ? 1 : 0;
    }
    return wanted.toString() ? shown + " of the tasks on this page" : "";
  }
  function search(wanted) {
    const list = document.getElementById("results");
    list.replaceChildren();
    list.hidden = !wanted.toString();
    if (list.hidden) return "";
    const found = (window.opsgit || []).filter((t) => fits(wanted, (t[0] + " " + t[1]).toLowerCase(), t[2], t[4], t[3]));
    for (const [id, title, status, priority, who] of found.slice(0, SHOWN)) {
      const item = document.createElement("li"), link = document.createElement("a"), name = document.createElement("b");
      name.textContent = id;
      link.href = "task/" + encodeURIComponent(id) + ".html";
      link.append(name, " " + title);
      item.append(link, " " + [status, priority, who].filter(Boolean).join(", "));
      list.append(item);
    }
    return found.length + " found" + (found.length > SHOWN ? ", the first " + SHOWN + " are shown" : "");
  }
  for (const form of document.querySelectorAll("form[data-filter]")) {
    const show = form.dataset.filter === "board" ? board : search;
    const say = (wanted) => { form.querySelector("[role=status]").textContent = show(wanted); };
    const load = () => {
      const wanted = read();
      for (const name of FIELDS) if (form.elements[name]) form.elements[name].value = wanted.get(name) || "";
      say(wanted);
    };
    form.hidden = false;
    form.addEventListener("input", () => say(write(form)));
    form.addEventListener("submit", (event) => event.preventDefault());
    window.addEventListener("hashchange", load);
    load();
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        event.preventDefault();
        form.elements.q.focus();
      }
    });
  }
  /* A live page is loaded again when the ledger changes, unless somebody writes in it. A hidden one does not listen: a
     browser opens only a few connections to one server. */
  const live = document.body.dataset.live;
  let stream = null;
  function listen() {
    if (stream) stream.close();
    stream = document.hidden ? null : new EventSource(live);
    if (stream) stream.addEventListener("moved", () => {
      const busy = Array.from(document.querySelectorAll("textarea")).some((area) => area.value);
      if (!busy) location.reload();
    });
  }
  if (live && window.EventSource) {
    document.addEventListener("visibilitychange", listen);
    window.addEventListener("pagehide", () => { if (stream) stream.close(); });
    listen();
  }
})();

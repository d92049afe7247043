// What the pages do beyond plain HTML. Every page works without it, for reading and for plain forms.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Times in the viewer's zone; the page has them in UTC.
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const localTimes = (within) => all("time[datetime]", within).forEach((time) => {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) time.textContent = format.format(at);
  });

  // Times of day are typed in the viewer's zone; the offset tells the server which that is.
  const localFields = (within) => all("input[data-local-time]", within).forEach((input) => {
    const offset = one("input[data-offset]", input.form);
    if (!offset || input.dataset.zoned) return;
    input.dataset.zoned = "yes";
    const shift = -new Date().getTimezoneOffset() - Number(offset.value || 0);
    const [hours, minutes] = input.value.split(":").map(Number);
    if (!Number.isNaN(minutes)) {
      const total = (hours * 60 + minutes + shift + 2880) % 1440;
      input.value = `${String(Math.floor(total / 60)).padStart(2, "0")}:${String(total % 60).padStart(2, "0")}`;
    }
    offset.value = String(-new Date().getTimezoneOffset());
    const help = document.getElementById(`${input.id}-help`);
    if (help) help.textContent = `In your time zone (${Intl.DateTimeFormat().resolvedOptions().timeZone}).`;
  });

  const toast = (text) => {
    const box = document.createElement("div");
    box.className = "toast";
    box.textContent = text;
    one("#toasts").replaceChildren(box);
    setTimeout(() => box.remove(), 4000);
  };

  // Revealed values leave the screen after a minute, and when the page is left.
  const SHOWN_FOR = 60_000;
  const hide = (shown) => shown.remove();
  const revealed = (within) => all("[data-revealed]", within).forEach((shown) => {
    if (shown.dataset.timed) return;
    shown.dataset.timed = "yes";
    setTimeout(() => shown.isConnected && hide(shown), SHOWN_FOR);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) all("[data-revealed]").forEach(hide);
  });
  addEventListener("pagehide", () => all("[data-revealed]").forEach(hide));

  const prepare = (within) => {
    localTimes(within);
    localFields(within);
    revealed(within);
  };
  prepare(document);
  document.addEventListener("htmx:afterSettle", (event) => prepare(event.detail.elt.isConnected ? event.detail.elt : document));
  document.addEventListener("htmx:oobAfterSwap", () => prepare(document));

  // An invitation's code stands behind the # of its link, which browsers send to nobody.
  const asked = one("[data-from-hash]");
  const code = asked && decodeURIComponent(location.hash.slice(1));
  if (code) {
    const input = one(`input[name="${asked.dataset.fromHash}"]`, asked);
    history.replaceState(null, "", location.pathname);
    input.value = code;
    input.form.submit();
  }

  // Fields that were refused: said to those who hear the page, and the first of them gets the focus.
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.elt;
    if (!(form instanceof HTMLFormElement) || !form.classList.contains("form")) return;
    const wrong = all(".field", form).filter((field) => one(".error:not(:empty)", field));
    all("[aria-invalid]", form).forEach((input) => input.removeAttribute("aria-invalid"));
    wrong.forEach((field) => one("input, select, textarea", field)?.setAttribute("aria-invalid", "true"));
    if (wrong.length > 0) one("input, select, textarea", wrong[0])?.focus();
  });
  document.addEventListener("htmx:sendError", () => toast("The server cannot be reached. Nothing was changed, as far as is known; try again."));

  const copied = async (button) => {
    try {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copyFrom)?.textContent ?? "");
      toast("Copied.");
    } catch {
      toast("The browser does not allow copying here; select the text instead.");
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target.closest("button");
    all("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
    if (!target) return;
    if (target.dataset.mask) {
      const input = document.getElementById(target.dataset.mask);
      const shown = input.type === "password";
      input.type = shown ? "text" : "password";
      target.textContent = shown ? "Hide" : "Show";
      target.setAttribute("aria-pressed", String(shown));
    } else if (target.dataset.copyFrom) {
      copied(target);
    } else if (target.dataset.hide) {
      const shown = document.getElementById(target.dataset.hide);
      if (shown) hide(shown);
    } else if (target.dataset.checkAll) {
      const boxes = all(`input[name="${target.dataset.checkAll}"]`);
      const wanted = !boxes.every((box) => box.checked);
      boxes.forEach((box) => { box.checked = wanted; });
    }
  });

  // The command palette: what is found stands below what is typed, and the arrows go through it.
  const palette = one("#palette");
  const openPalette = () => {
    if (!palette || palette.open) return;
    palette.showModal();
    const input = one("input", palette);
    input.select();
    htmx.trigger(input, "open");
  };
  all("[data-palette]").forEach((link) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    openPalette();
  }));
  palette?.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
  palette?.addEventListener("keydown", (event) => {
    const links = all("a", palette);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && links.length > 0) {
      event.preventDefault();
      const next = links.indexOf(document.activeElement) + step;
      (next < 0 ? one("input", palette) : links[Math.min(next, links.length - 1)]).focus();
    } else if (event.key === "Enter" && event.target.matches("input") && links.length > 0) {
      event.preventDefault();
      links[0].click();
    }
  });

  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      openPalette();
    } else if (event.key === "/" && !typing(event.target)) {
      const search = one("[data-search]");
      if (search) { event.preventDefault(); search.focus(); }
    } else if (event.key === "Escape") {
      all("details.menu[open]").forEach((menu) => { menu.open = false; one("summary", menu).focus(); });
      if (event.target.matches?.("[data-search]")) event.target.blur();
    }
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("select[data-submit]")) event.target.form.submit();
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.hasAttribute("hx-post")) event.target.classList.add("sending");
  });
  document.addEventListener("dragover", (event) => { if (event.target.matches?.("textarea[data-env]")) event.preventDefault(); });
  document.addEventListener("drop", async (event) => {
    const file = event.dataTransfer?.files[0];
    if (!event.target.matches?.("textarea[data-env]") || !file) return;
    event.preventDefault();
    event.target.value = await file.text();
  });

  // A hint, not a rule: length and variety.
  const WORDS = ["Too short", "Weak: add words", "Fair: longer is better", "Strong", "Very strong"];
  document.addEventListener("input", (event) => {
    const hint = event.target.dataset?.strength && document.getElementById(event.target.dataset.strength);
    if (!hint) return;
    const text = event.target.value;
    const kinds = [/[a-z]/, /[A-Z]/, /\d/, /[^\w]/].filter((kind) => kind.test(text)).length;
    const bits = new Set(text).size < 5 ? 0 : text.length * (1.5 + kinds / 2);
    const level = text.length < 12 ? 0 : bits < 28 ? 1 : bits < 40 ? 2 : bits < 56 ? 3 : 4;
    hint.textContent = text ? WORDS[level] : "";
  });

  // News while somebody looks; the page asks for the parts that changed.
  const source = document.body.dataset.live;
  if (source) {
    let events = null;
    const listen = () => {
      if (document.hidden) { events?.close(); events = null; return; }
      if (events) return;
      events = new EventSource(source);
      events.addEventListener("changed", () => htmx.trigger(document.body, "live"));
    };
    document.addEventListener("visibilitychange", listen);
    listen();
  }
})();

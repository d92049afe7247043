// Finds the one thing that a person means: arguments are its kind, its words, and the place to look in (none: the whole page).
// Answers the element, or what is wrong as text.
const [kind, wanted, place] = arguments;
const clean = (text) => (text ?? "").replace(/\s+/g, " ").trim();
const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
const named = (element) => {
  const by = element.getAttribute("aria-labelledby");
  return clean(element.getAttribute("aria-label") ?? (by && document.getElementById(by)?.innerText));
};
// What is read, or what a screen reader says instead.
const says = (element, words) => clean(element.innerText) === words || named(element) === words;

// A place: a landmark or region by its name, a row by its heading.
const places = () => {
  const rows = [...document.querySelectorAll("tr")].filter((row) => clean(row.querySelector("th[scope=row]")?.innerText).split(" ").includes(place));
  const regions = [...document.querySelectorAll("nav, section, form, dialog, [role=region]")].filter((region) => named(region) === place);
  const found = [...rows, ...regions].filter(visible);
  // A region may lie in a section of the same name.
  return found.filter((one) => !found.some((other) => other !== one && other.contains(one)));
};
let within = [document.body];
if (place !== null) {
  within = places();
  if (within.length !== 1) return `${within.length} places are called "${place}"`;
}
const all = (selector) => [...within[0].querySelectorAll(selector)].filter(visible);

const KINDS = {
  button: () => all("button, summary").filter((button) => says(button, wanted)),
  link: () => all("a[href]").filter((link) => says(link, wanted)),
  heading: () => all("h1, h2, h3").filter((heading) => says(heading, wanted)),
  field: () => {
    const labels = all("label").filter((label) => clean(label.innerText).replace(/ optional$/, "") === wanted).map((label) => label.control);
    return [...labels.filter(Boolean), ...all("input, select, textarea").filter((field) => named(field) === wanted)];
  },
  place: () => within,
};
let found = KINDS[kind]();
// Among several of the same words, those are meant that have no name of their own which tells them apart.
if (found.length > 1) {
  const plain = found.filter((element) => (named(element) || wanted) === wanted);
  if (plain.length > 0) found = plain;
}
// The content comes before what stands around it, and links that lead to the same are one.
if (found.length > 1 && found.some((element) => element.closest("main"))) found = found.filter((element) => element.closest("main"));
if (kind === "link" && new Set(found.map((link) => link.href)).size === 1) found = found.slice(0, 1);
if (found.length === 1) return found[0];
const others = [...new Set(all({ button: "button, summary", link: "a[href]", heading: "h1, h2, h3", field: "label" }[kind] ?? "h1").map((element) => clean(element.innerText)))];
return `${found.length} are called "${wanted}"; there are: ${others.join(" | ")}`;

// The panel: polls the visitor's profile from the demo, and measures latency in the page.
const find = (query) => document.querySelector(query);
const POLL_MS = 700, KEPT = 24, MEASURED = "marlow-finch-latency";
let measured = JSON.parse(sessionStorage.getItem(MEASURED) ?? "[]");

const element = (name, { style = {}, ...rest } = {}, ...children) => {
  const made = Object.assign(document.createElement(name), rest);
  for (const [key, value] of Object.entries(style)) made.style.setProperty(key, value);
  made.append(...children);
  return made;
};
const percent = (share) => `${Math.round(share * 100)} %`;
const ago = (at) => {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  return seconds < 5 ? "now" : seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
};

// ---- the visitor's profile
function draw({ visitor, affinities, why, decisions, painted, suppressed }) {
  find("[data-visitor]").textContent = `Visitor ${visitor}`;
  if (why.length) find("[data-why]").replaceChildren(...why.map((each) => element("p", { textContent: each })));
  find("[data-painted]").textContent = painted
    ? `${painted.engine === "studio" ? "Studio" : "Diffusion"} scene “${painted.scene}”, painted once in ${painted.took_ms} ms`
    : decisions.length ? "Being painted …" : "";
  bars(affinities);
  if (decisions.length) find("[data-decisions]").replaceChildren(...decisions.map(decision));
  find("[data-bought]").hidden = !suppressed.length;
  find("[data-suppressed]").replaceChildren(...suppressed.map(({ product, until }) =>
    element("li", { textContent: product, title: `until ${new Date(until).toLocaleDateString("en-GB", { day: "numeric", month: "long" })}` })));
  const leader = affinities.reduce((best, each) => each.share > best.share ? each : best);
  const last = measured.length ? ` · ${measured.at(-1)} ms` : "";
  find("[data-line]").textContent = leader.share ? `${leader.name} ${percent(leader.share)}${last}` : "Behind the banner";
}

function bars(affinities) {
  const list = find("[data-bars]"), most = Math.max(...affinities.map((each) => each.share));
  affinities.forEach(({ share }, number) => {
    const row = list.children[number];
    row.classList.toggle("leads", share > 0 && share === most);
    row.querySelector(".fill").style.setProperty("--share", share);
    row.querySelector(".share").textContent = percent(share);
  });
}

const decision = ({ product, cohort, colour, at }) => element("li", {}, element("i", { style: { "--colour": colour } }),
  element("span", { textContent: product }, element("small", { textContent: cohort })), element("time", { textContent: ago(at) }));

// ---- latency, measured in the page
function latency() {
  if (!measured.length) return;
  const sorted = [...measured].sort((a, b) => a - b), median = sorted[sorted.length >> 1], most = sorted.at(-1);
  find("[data-last]").textContent = `${measured.at(-1)} ms`;
  find("[data-median]").textContent = `median ${median} ms of ${measured.length}`;
  const spark = find("[data-spark]");
  spark.replaceChildren(...measured.map((ms) => element("i", { style: { height: `${100 * ms / most}%` } })));
  spark.setAttribute("aria-label", `The last ${measured.length} changes took ${measured.join(", ")} milliseconds`);
}

document.addEventListener("bannerstream:shown", ({ detail: { ms } }) => {
  if (ms) measured = [...measured, ms].slice(-KEPT);
  sessionStorage.setItem(MEASURED, JSON.stringify(measured));
  latency();
});

async function poll() {
  const response = document.hidden ? undefined : await fetch("/shop/visitor").catch(() => undefined);
  if (response?.ok) draw(await response.json());
  setTimeout(poll, POLL_MS);
}

find(".handle").addEventListener("click", ({ currentTarget }) =>
  currentTarget.setAttribute("aria-expanded", currentTarget.getAttribute("aria-expanded") !== "true"));
find("[data-newcomer]").addEventListener("click", async () => {
  await fetch("/shop/newcomer", { method: "POST" });
  sessionStorage.clear();
  location.assign("/shop");
});
latency();
poll();

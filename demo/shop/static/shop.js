// The shop: in-place navigation, a cart shared by all tabs, and events sent to the edge.
const products = JSON.parse(document.getElementById("products").textContent);
const find = (query) => document.querySelector(query);
const report = (type, product) => window.bannerstream?.send(type, product);

// ---- pages: a product opens in place, so that the banner above it stays visible and can change
async function open(address, { push = true } = {}) {
  const response = await fetch(address).catch(() => undefined);
  if (!response?.ok) return location.assign(address);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = page.getElementById("main");
  if (push) history.pushState(null, "", address);
  document.title = page.title;
  document.getElementById("main").replaceWith(main);
  scrollTo({ top: 0, behavior: "instant" });
  main.focus({ preventScroll: true });
}

addEventListener("popstate", () => open(location.pathname, { push: false }));

document.addEventListener("click", (event) => {
  const target = event.target.closest("a, button");
  if (!target || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const { product, page, show, add, buy, remove } = target.dataset;
  if (product) report("click", product);
  if (product || page !== undefined) {
    event.preventDefault();
    open(target.getAttribute("href"));
  } else if (show !== undefined) filter(show);
  else if (add) put(add);
  else if (buy) purchase([buy]);
  else if (remove) take(remove);
});

// The banner's link is in its shadow root, so the click arrives from the element.
find("banner-stream")?.addEventListener("click", (event) => {
  const link = event.composedPath().find((each) => each.href);
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const { pathname } = new URL(link.href);
  if (!pathname.startsWith("/p/")) return;
  event.preventDefault();
  report("click", pathname.slice(3));
  open(pathname);
});

function filter(category) {
  for (const button of document.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === category);
  for (const card of document.querySelectorAll(".card")) card.hidden = Boolean(category) && card.dataset.category !== category;
}

// ---- cart
const CART = "marlow-finch-cart";
const cart = find("#cart");
const lines = () => JSON.parse(localStorage.getItem(CART) ?? "{}");

function save(now) {
  localStorage.setItem(CART, JSON.stringify(now));
  draw();
}

function put(product) {
  const now = lines();
  save({ ...now, [product]: (now[product] ?? 0) + 1 });
  report("cart", product);
  cart.showModal();
}

function take(product) {
  const { [product]: _, ...rest } = lines();
  save(rest);
}

function purchase(products) {
  for (const product of products) report("purchase", product);
  const note = find("[data-note]");
  if (note) note.textContent = "Bought. It will not be advertised to you again for a while.";
}

function draw() {
  const now = Object.entries(lines()).filter(([product]) => products[product]);
  const count = now.reduce((sum, [, number]) => sum + number, 0);
  Object.assign(find("[data-count]"), { textContent: count, hidden: !count });
  find("[data-lines]").replaceChildren(...now.map(([product, number]) => line(product, number)));
  find("[data-empty]").hidden = Boolean(count);
  find("[data-checkout]").disabled = !count;
  find("[data-total]").textContent = total(now);
}

function line(product, number) {
  const { title, price, locale } = products[product], row = document.createElement("li");
  row.innerHTML = "<img alt=''><div><h3 dir=auto></h3><b></b></div><button type=button>Remove</button>";
  row.querySelector("img").src = `/shop/pictures/${product}.webp`;
  Object.assign(row.querySelector("h3"), { textContent: title, lang: locale });
  row.querySelector("b").textContent = number > 1 ? `${number} × ${price}` : price;
  row.querySelector("button").dataset.remove = product;
  row.querySelector("button").setAttribute("aria-label", `Remove ${title}`);
  return row;
}

function total(now) {
  const sums = {};
  for (const [product, number] of now) sums[products[product].currency] = (sums[products[product].currency] ?? 0) + number * products[product].amount;
  return Object.entries(sums).map(([currency, sum]) => new Intl.NumberFormat("en", { style: "currency", currency }).format(sum)).join(" + ") || "–";
}

find(".cart-button").addEventListener("click", () => cart.showModal());
find("[data-close]").addEventListener("click", () => cart.close());
cart.addEventListener("click", (event) => { if (event.target === cart) cart.close(); });
find("[data-checkout]").addEventListener("click", () => {
  purchase(Object.keys(lines()));
  save({});
  find("[data-empty]").textContent = "Thank you. What you bought will not be advertised to you again for a while.";
});
addEventListener("storage", draw);
draw();

// Bannerstream: shows a visitor's current banner on the shop's page. docs/embed.md is the manual.
(() => {
  const page = document, name = "banner-stream";
  let base, client;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms * (.75 + Math.random() / 2)));
  const longer = (ms) => Math.min(ms * 2, 3e4);

  // State shared by all banners of a page: the visitor's token, the stream, and events that the edge has not acknowledged.
  function connect({ token, tokenUrl }) {
    const tags = new Set();
    // `most`: events per request; 1 while the edge rejects one of a batch. A batch whose answer is lost is sent again and
    // counts once while its ids are among the last `streams.duplicate_window` (8) of the visitor.
    let newest, source, delay = 500, sending, most = 4, queue = [];
    // Where storage is blocked, the queue is in memory only.
    try { queue = JSON.parse(sessionStorage.bannerstream); } catch {}
    // The visitor's id, read from the token.
    const who = () => { try { return JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/"))).sub; } catch {} };
    // Events of the visitor before a login or logout are not sent as those of the next one.
    const keep = () => {
      queue = queue.filter(({ by }) => by === who());
      try { sessionStorage.bannerstream = JSON.stringify(queue); } catch {}
      return queue.length;
    };
    const renew = async () => {
      const answer = tokenUrl && await fetch(tokenUrl, { cache: "no-store" }).catch(() => 0);
      if (answer?.ok) token = (await answer.text()).trim();
    };
    const post = (path, body) => fetch(base + path, {
      method: "POST",
      keepalive: 1,
      body: JSON.stringify(body),
      headers: { Authorization: "Bearer " + token, "Content-Type": "application/json" },
    }).catch(() => 0);

    // An event leaves the queue once the edge has accepted or finally rejected it. Its id makes a repeat harmless.
    async function flush() {
      if (sending) return;
      sending = 1;
      for (let wait = 500; keep();) {
        const batch = queue.slice(0, most);
        // An age instead of a time: a visitor's clock may be wrong by years.
        const aged = batch.map(({ time, by, ...event }) => ({ ...event, age_ms: Math.max(0, Date.now() - time) }));
        const { ok, status, headers } = await post("v1/events", aged);
        const refused = /400|403|413|422/.test(status);
        if (ok || refused && !batch[1]) {
          queue = queue.filter((each) => !batch.includes(each));
          wait = 500;
          if (ok) most = 4;
        } else if (refused) most = 1;
        else {
          await pause(headers?.get("Retry-After") * 1000 || wait);
          wait = longer(wait);
          if (status === 401) await renew();
        }
      }
      sending = 0;
    }

    // The browser reconnects by itself, except after an error response, which this handles.
    function listen() {
      source?.close();
      const own = source = new EventSource(`${base}v1/stream?token=${token}`);
      own.addEventListener("banner", ({ data }) => {
        const banner = JSON.parse(data);
        delay = 500;
        if (newest?.epoch > banner.epoch) return;
        newest = banner;
        tags.forEach((each) => each.show(banner));
      });
      own.addEventListener("erased", () => { newest = 0; queue = []; keep(); });
      own.onerror = async () => {
        if (own.readyState < 2) return;
        await pause(delay);
        delay = longer(delay);
        await renew();
        if (own === source) listen();
      };
    }

    listen();
    flush();
    return {
      sentAt: 0,
      tags,
      post,
      send(type, product_id) {
        this.sentAt = performance.now();
        queue.push({ by: who(), type, product_id, event_id: crypto.getRandomValues(new Uint32Array(4)).join("-"), time: Date.now() });
        keep();
        return flush();
      },
      get banner() { return newest; },
      set token(other) { token = other; newest = 0; listen(); flush(); },
    };
  }

  class BannerStream extends HTMLElement {
    connectedCallback() {
      if (!this.link) this.build();
      client.tags.add(this);
      if (client.banner) this.show(client.banner);
    }

    disconnectedCallback() {
      client.tags.delete(this);
    }

    build() {
      const { size = "970x250", small = "300x250" } = this.dataset, ratio = (name) => `{aspect-ratio:${name.replace("x", "/")}}`;
      const sheet = new CSSStyleSheet(), root = this.attachShadow({ mode: "open" }), narrow = "(max-width:600px)";
      sheet.replaceSync(`:host{display:block;position:relative;overflow:hidden}:host${ratio(size)}@media${narrow}{:host${ratio(small)}}
        a,img{position:absolute;inset:0;width:100%;height:100%;object-fit:cover}a:focus-visible{outline:3px solid;outline-offset:-3px}`);
      root.adoptedStyleSheets = [sheet];
      root.append(this.link = page.createElement("a"));
      this.link.onclick = () => this.tell("click");
      const wide = matchMedia(narrow);
      this.wish = () => wide.matches ? small : size;
      wide.onchange = () => this.banner && this.show(this.banner);
      new IntersectionObserver(([each]) => { this.inView = each.isIntersecting; this.count(); }, { threshold: .5 }).observe(this);
      page.addEventListener("visibilitychange", () => this.count());
    }

    async show(banner, wait = 500, any = !this.image) {
      this.wanted = banner;
      if (page.hidden) client.sentAt = 0;
      const { images, alt, link } = banner, fits = images.find((each) => each.size === this.wish()), picture = fits || images[0];
      const later = (ms) => pause(ms).then(() => this.wanted === banner && this.show(banner, longer(wait), 1));
      // The size may still be in production: the previous picture stays for one retry.
      if (!fits && !any) return later(2000);
      const image = new Image(), src = new URL(picture.url, base).href, old = this.image, other = old?.src !== src;
      if (other) {
        Object.assign(image, { alt, src });
        try { await image.decode(); } catch { return later(wait); }
        if (this.wanted !== banner) return;
        this.link.append(this.image = image);
        if (old) old.alt = "";
        image.animate({ opacity: [.3, 1] }, matchMedia("(prefers-reduced-motion)").matches ? 0 : 300).finished.then(() => old?.remove());
      }
      link ? this.link.href = link : this.link.removeAttribute("href");
      const again = !other && this.banner?.epoch === banner.epoch;
      this.banner = banner;
      if (again) return;
      Object.assign(this, { size: picture.size, ms: 0, seen: 0 });
      this.count();
      if (other) requestAnimationFrame(() => setTimeout(() => this.painted()));
    }

    painted() {
      const { sentAt } = client, ms = Math.round(performance.now() - sentAt), { banner } = this;
      client.sentAt = 0;
      // After a minute the visitor was not waiting for it.
      if (sentAt && ms < 6e4) this.ms = ms;
      this.dispatchEvent(new CustomEvent("bannerstream:shown", { bubbles: 1, detail: { banner, ms: this.ms } }));
    }

    // Viewable by the MRC's definition: half of the pixels for one second.
    count() {
      clearTimeout(this.timer);
      if (this.inView && !page.hidden && this.banner && !this.seen) this.timer = setTimeout(() => {
        this.seen = 1;
        this.tell("impression", this.ms || undefined);
      }, 1000);
    }

    tell(kind, click_to_visible_ms) {
      const { banner, size } = this, token = banner.feedback;
      if (token) client.post("v1/feedback", { token, kind, size, click_to_visible_ms });
    }
  }

  // A module has no `currentScript`, and runs once for all its tags; in a bundle, any element with `data-edge` is the tag.
  const start = () => [page.currentScript, ...page.querySelectorAll("script[src*='banner.js'],[data-edge]")].forEach((tag) => {
    const settings = tag?.dataset || {}, edge = settings.edge || tag?.src;
    if (tag?.taken || !settings.token || !edge) return;
    tag.taken = 1;
    base ||= new URL(".", edge).href;
    client = window.bannerstream ||= connect(settings);
    customElements.get(name) || customElements.define(name, BannerStream);
    const element = page.createElement(name), place = page.getElementById(settings.slot);
    Object.assign(element.dataset, settings, { token: "" });
    place ? place.replaceChildren(element) : tag.before(element);
  });
  start();
  page.addEventListener("DOMContentLoaded", start);
})();

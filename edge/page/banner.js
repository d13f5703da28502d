// Bannerstream: one picture on the shop's page that follows its visitor. docs/embed.md is the manual.
(() => {
  const script = document.currentScript, base = new URL(".", script.src).href, on = (target, name, run) => target.addEventListener(name, run);
  const STORE = "bannerstream", BATCH = 50;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms * (0.75 + Math.random() / 2)));
  const longer = (ms) => Math.min(ms * 2, 30000);

  // What every banner of the page shares: the visitor's token, the stream, and events that the edge does not have yet.
  function connect({ token, tokenUrl }) {
    const elements = new Set();
    let newest, source, patience = 500, sending, most = BATCH, queue = [];
    // Where storage is blocked, memory has to do.
    try { queue = JSON.parse(sessionStorage[STORE]); } catch {}
    const keep = () => { try { sessionStorage[STORE] = JSON.stringify(queue); } catch {} };
    const renew = async () => {
      const answer = tokenUrl && await fetch(tokenUrl, { cache: "no-store" }).catch(() => 0);
      if (answer?.ok) token = (await answer.text()).trim();
    };
    const post = (path, body) => fetch(base + path, {
      method: "POST",
      keepalive: true,
      body: JSON.stringify(body),
      headers: { Authorization: "Bearer " + token, "Content-Type": "application/json" },
    }).catch(() => ({}));

    // An event leaves the queue when the edge has it, or will never take it. Its id makes a repeat harmless.
    async function flush() {
      if (sending) return;
      sending = true;
      for (let wait = 500; queue.length;) {
        const batch = queue.slice(0, most);
        // An age, not a time: a visitor's clock may be wrong by years.
        const aged = batch.map(({ time, ...event }) => ({ ...event, age_ms: Math.max(0, Date.now() - time) }));
        const { ok, status, headers } = await post("v1/events", aged);
        const refused = [400, 403, 413, 422].includes(status);
        if (ok || (refused && !batch[1])) {
          queue = queue.slice(batch.length);
          keep();
          wait = 500;
          if (ok) most = BATCH;
        } else if (refused) most = 1;
        else {
          await pause(headers?.get("Retry-After") * 1000 || wait);
          wait = longer(wait);
          if (status === 401) await renew();
        }
      }
      sending = false;
    }

    // The browser reconnects by itself, unless the answer was an error: then it gives up, and we do not.
    function listen() {
      source?.close();
      const own = source = new EventSource(`${base}v1/stream?token=${token}`);
      on(own, "banner", ({ data }) => {
        const banner = JSON.parse(data);
        patience = 500;
        if (newest?.epoch > banner.epoch) return;
        newest = banner;
        elements.forEach((each) => each.show(banner));
      });
      on(own, "erased", () => { newest = 0; queue = []; keep(); });
      own.onerror = async () => {
        if (own.readyState < 2) return;
        await pause(patience);
        patience = longer(patience);
        await renew();
        if (own === source) listen();
      };
    }

    listen();
    flush();
    return {
      sentAt: 0,
      elements,
      post,
      send(type, product_id) {
        this.sentAt = performance.now();
        queue.push({ type, product_id, event_id: crypto.getRandomValues(new Uint32Array(4)).join("-"), time: Date.now() });
        keep();
        return flush();
      },
      get banner() { return newest; },
      set token(other) { token = other; newest = 0; listen(); },
    };
  }

  const client = window.bannerstream ||= connect(script.dataset);

  class BannerStream extends HTMLElement {
    connectedCallback() {
      client.elements.add(this);
      if (this.link) return;
      const { size = "970x250", small = "300x250" } = this.dataset, ratio = (name) => `{aspect-ratio:${name.replace("x", "/")}}`;
      const sheet = new CSSStyleSheet(), root = this.attachShadow({ mode: "open" }), narrow = "(max-width:600px)";
      sheet.replaceSync(`:host{display:block;position:relative;overflow:hidden}:host${ratio(size)}@media${narrow}{:host${ratio(small)}}
        a,img{position:absolute;inset:0;width:100%;height:100%;object-fit:cover}a:focus-visible{outline:3px solid;outline-offset:-3px}`);
      root.adoptedStyleSheets = [sheet];
      root.append(this.link = document.createElement("a"));
      on(this.link, "click", () => this.tell("click"));
      const wide = matchMedia(narrow);
      this.wish = () => wide.matches ? small : size;
      on(wide, "change", () => this.banner && this.show(this.banner));
      new IntersectionObserver(([{ isIntersecting }]) => { this.inView = isIntersecting; this.count(); }, { threshold: 0.5 }).observe(this);
      on(document, "visibilitychange", () => this.count());
      if (client.banner) this.show(client.banner);
    }

    disconnectedCallback() {
      client.elements.delete(this);
    }

    async show(banner, wait = 500, any = !this.image) {
      this.wanted = banner;
      if (document.hidden) client.sentAt = 0;
      const { images, alt, link } = banner, fits = images.find((each) => each.size === this.wish()), picture = fits || images[0];
      const later = (ms) => pause(ms).then(() => this.wanted === banner && this.show(banner, longer(wait), 1));
      // The size may still be painted: what is there stays meanwhile, unless it does not come.
      if (!fits && !any) return later(2000);
      const image = new Image(), src = new URL(picture.url, base).href, former = this.image, other = former?.src !== src;
      if (other) {
        Object.assign(image, { alt, src });
        try { await image.decode(); } catch { return later(wait); }
        if (this.wanted !== banner) return;
        this.link.append(this.image = image);
        if (former) former.alt = "";
        image.animate({ opacity: [0.3, 1] }, matchMedia("(prefers-reduced-motion)").matches ? 0 : 300).finished.then(() => former?.remove());
      }
      if (link) this.link.href = link; else this.link.removeAttribute("href");
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
      // Past a minute nobody waited for it.
      if (sentAt && ms < 60000) this.ms = ms;
      this.dispatchEvent(new CustomEvent("bannerstream:shown", { bubbles: true, detail: { banner, ms: this.ms } }));
    }

    // Viewable as the MRC counts it: half of its pixels, for a second.
    count() {
      clearTimeout(this.timer);
      if (this.inView && !document.hidden && this.banner && !this.seen) this.timer = setTimeout(() => this.tell("impression"), 1000);
    }

    tell(kind) {
      const { banner, size, ms } = this, report = { token: banner.feedback, kind, size };
      if (kind === "impression") {
        this.seen = 1;
        if (ms) report.click_to_visible_ms = ms;
      }
      if (report.token) client.post("v1/feedback", report);
    }
  }

  if (!customElements.get("banner-stream")) customElements.define("banner-stream", BannerStream);
  const element = document.createElement("banner-stream"), place = document.getElementById(script.dataset.slot);
  Object.assign(element.dataset, script.dataset, { token: "" });
  if (place) place.replaceChildren(element); else script.before(element);
})();

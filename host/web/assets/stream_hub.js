// The hub of a browser's events: one stream to the server for all windows. It runs in a shared worker, or in one window.
//
// Each window follows one list at most. It says which revision it has, and gets each later revision once and in order.
// Changes of lists and logics go to all windows.

const MAX_FOLLOWED = 32; // the server's limit on lists in one stream; lists followed longest ago are left out
const MAX_NAME_BYTES = 8_192; // the server's limit on their names, percent-encoded
const OVERLAP = 1_500; // how long a replaced stream stays open: the server sends changes of lists once a second
const REOPEN_DELAY = 3_000; // wait before the stream is opened anew after the server refused it

class StreamHub {
  #windows = new Map(); // by window: how to send to it, its list, and the revision that it has
  #source = null; // the stream in use
  #replaced = null; // the stream before, which may hold changes that the one in use does not bring
  #next = null; // a stream with other lists that is being opened, while the one in use goes on
  #query = null; // what the newest stream follows
  #isOpen = false;
  #sent = new Map(); // by list: the last revision that came from the server

  // A window follows a list from a revision on, from now on if that is null, or no list.
  follow(id, post, list, revision) {
    // A window without a revision gets the one that came last, and need not wait for a stream that says it again.
    const known = revision ?? this.#sent.get(list) ?? null;
    this.#windows.delete(id); // the newest comes last
    this.#windows.set(id, { post, list, revision: known });
    if (this.#isOpen) post({ event: "open" });
    if (known !== revision) post({ event: "ready", data: { list, revision: known } });
    this.#open();
  }

  leave(id) {
    this.#windows.delete(id);
    if (this.#windows.size === 0) this.#close(); else this.#open();
  }

  // The lists to follow, each from the earliest revision that a window has. A list that no window knows comes without one.
  #positions() {
    const positions = new Map();
    let bytes = 0;
    for (const { list, revision } of [...this.#windows.values()].reverse()) {
      if (list === null) continue;
      if (!positions.has(list)) {
        // Encoded as in a path of the server, which leaves fewer characters as they are.
        const more = encodeURIComponent(list).replace(/[!'()*]/g, "%00").length;
        if (positions.size === MAX_FOLLOWED || bytes + more > MAX_NAME_BYTES) continue;
        bytes += more;
      }
      const other = positions.get(list);
      positions.set(list, other === undefined ? revision : [revision, other].includes(null) ? null : Math.min(revision, other));
    }
    return positions;
  }

  // Opens a stream of the lists that are followed now, unless the one in use will do.
  #open() {
    const positions = this.#positions();
    const lists = [...positions.keys()].sort();
    const behind = lists.filter((list) => positions.get(list) !== null && positions.get(list) < this.#sent.get(list));
    const query = JSON.stringify(lists);
    if (query === this.#query && behind.length === 0 && (this.#next ?? this.#source)) return;
    this.#query = query;
    this.#next?.close();
    const parameters = new URLSearchParams({ overview: "true" });
    for (const list of lists) parameters.append("list", `${list}:${positions.get(list) ?? ""}`);
    const source = this.#next = new EventSource(`/events?${parameters}`);
    for (const list of [...this.#sent.keys()]) if (!positions.has(list) || behind.includes(list)) this.#sent.delete(list);
    source.onopen = () => this.#opened(source);
    source.onerror = () => this.#failed(source);
    for (const event of ["revision", "ready", "reset", "problem", "list", "lists", "logic"]) {
      source.addEventListener(event, ({ data }) => this.#receive(event, JSON.parse(data)));
    }
  }

  #opened(source) {
    if (source === this.#next) {
      const isGapless = this.#source?.readyState === EventSource.OPEN;
      this.#replace(source);
      if (isGapless) return;
    }
    if (source !== this.#source) return;
    // Events about all lists have no history, so the windows read what such events would have said.
    this.#isOpen = true;
    this.#toAll({ event: "open" });
  }

  #replace(source) {
    const replaced = this.#source;
    this.#replaced?.close();
    [this.#replaced, this.#source, this.#next] = [replaced, source, null];
    setTimeout(() => replaced?.close(), OVERLAP);
  }

  #failed(source) {
    if (source !== this.#source && source !== this.#next) return;
    if (source === this.#source || !this.#source) {
      this.#isOpen = false;
      this.#toAll({ event: "lost" });
    }
    // The browser connects again by itself, unless the server refused the stream.
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => {
      if (source !== this.#source && source !== this.#next) return;
      if (source === this.#next) this.#next = null; else this.#source = null;
      this.#query = null;
      if (this.#windows.size > 0) this.#open();
    }, REOPEN_DELAY);
  }

  #close() {
    this.#source?.close();
    this.#next?.close();
    this.#replaced?.close();
    this.#source = this.#next = this.#replaced = this.#query = null;
    this.#isOpen = false;
    this.#sent.clear();
  }

  #toAll(message) {
    for (const { post } of this.#windows.values()) post(message);
  }

  #receive(event, data) {
    const { list, revision } = data;
    if (list === undefined) return this.#toAll({ event, data });
    // The server does not follow the list any more. The next request for it opens another stream.
    if (event === "problem") this.#query = null;
    if (revision !== undefined) this.#sent.set(list, Math.max(revision, this.#sent.get(list) ?? 0));
    for (const window of this.#windows.values()) {
      if (window.list !== list) continue;
      const had = window.revision;
      // Two streams are open for a moment, and windows of one list may be at different revisions.
      if (event === "revision" && had !== null && revision <= had) continue;
      if (event === "ready" && had !== null && revision === had) continue;
      if (revision !== undefined) window.revision = revision;
      const isGap = event === "revision" && had !== null && revision !== had + 1;
      window.post(isGap ? { event: "reset", data: { list, revision } } : { event, data });
    }
  }
}

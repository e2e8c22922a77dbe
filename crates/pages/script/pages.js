// Keeps open pages current. Every page reads well without it.
//
// - An event on the stream named by <body data-events> (ids are ledger positions) makes the page be
//   fetched again; fragments marked data-live whose HTML differs are exchanged by their ids.
// - A log with data-follow appends the lines its own stream sends.
// - Times keep telling how long ago they were. Keys move about.
(() => {
  'use strict';
  const body = document.body;
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  // Times. The page's own time comes from the server; only what passes since is measured here.
  const served = Date.parse($('[data-now]')?.dateTime ?? '') || Date.now();
  const opened = performance.now();
  const now = () => served + performance.now() - opened;
  const whole = Math.floor;
  const pair = (large, unit, small, smallUnit) => (small ? `${large} ${unit} ${small} ${smallUnit}` : `${large} ${unit}`);
  const length = (ms) => {
    const s = whole(ms / 1000);
    if (s < 10) return `${whole(s)} s`;
    if (s < 60) return `${s} s`;
    if (s < 3600) return pair(whole(s / 60), 'min', s % 60, 's');
    if (s < 86400) return pair(whole(s / 3600), 'h', whole((s % 3600) / 60), 'min');
    return pair(whole(s / 86400), 'd', whole((s % 86400) / 3600), 'h');
  };
  const roughly = (ms) => {
    const s = whole(ms / 1000);
    return s < 60 ? `${s} s` : s < 3600 ? `${whole(s / 60)} min` : s < 86400 ? `${whole(s / 3600)} h` : `${whole(s / 86400)} d`;
  };
  const tellTimes = () => {
    const at = now();
    for (const time of $$('time[data-ago]')) {
      const ms = at - Date.parse(time.dateTime);
      if (ms > 2592000000) continue;
      const text = ms <= -5000 ? `in ${roughly(-ms)}` : ms < 5000 ? 'just now' : `${roughly(ms)} ago`;
      if (time.textContent !== text) time.textContent = text;
    }
    for (const time of $$('time[data-so-far]')) {
      const text = length(Math.max(0, at - Date.parse(time.dateTime)));
      if (time.textContent !== text) time.textContent = text;
    }
    const state = $('[data-log-state]');
    if (state) {
      const last = $$('#log-lines time').at(-1);
      const silent = last ? at - Date.parse(last.dateTime) : 0;
      const text = !last ? 'no output yet' : silent < 5000 ? 'still writing' : `no output for ${length(silent)}`;
      if (state.textContent !== text) state.textContent = text;
    }
  };
  setInterval(() => document.hidden || tellTimes(), 1000);

  // What has the focus, as something to find again after an exchange.
  const remember = (fragment) => {
    const held = document.activeElement;
    if (!held || !fragment.contains(held)) return () => {};
    const same = (element) => element.tagName === held.tagName && element.getAttribute('href') === held.getAttribute('href')
      && element.id === held.id && element.textContent === held.textContent;
    const at = $$(held.tagName, fragment).filter(same).indexOf(held);
    return (fresh) => $$(held.tagName, fresh).filter(same)[at]?.focus({ preventScroll: true });
  };
  const typing = (fragment) => {
    const held = document.activeElement;
    return held && fragment.contains(held) && held.matches('input, select, textarea');
  };
  // Times differ in each answer; they alone are no reason to exchange anything.
  const bare = (fragment) => fragment.outerHTML.replace(/(<time[^>]*data-(?:ago|so-far)[^>]*>)[^<]*/g, '$1');

  const exchange = (fresh) => {
    // A page of another shape, such as one that had nothing to show before, is exchanged whole.
    const main = $('#main');
    if ($$('[data-live][id]', fresh).some((next) => !document.getElementById(next.id)) && !typing(main)) {
      main.replaceWith(document.importNode($('#main', fresh), true));
      follow();
    }
    for (const next of $$('[data-live][id]', fresh)) {
      const old = document.getElementById(next.id);
      if (!old || typing(old) || bare(old) === bare(next)) continue;
      const focus = remember(old);
      const scrolled = $$('.scroll', old).map((box) => box.scrollLeft);
      const adopted = document.importNode(next, true);
      old.replaceWith(adopted);
      $$('.scroll', adopted).forEach((box, index) => { box.scrollLeft = scrolled[index] ?? 0; });
      focus(adopted);
    }
    document.title = fresh.title;
    const position = $('[data-as-of-text]', fresh);
    if (position) $('[data-as-of-text]').textContent = position.textContent;
    if (fresh.body.dataset.asOf) body.dataset.asOf = fresh.body.dataset.asOf;
    tellTimes();
  };

  let fetching = false;
  let again = false;
  const refresh = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, credentials: 'same-origin' });
      if (answer.redirected && new URL(answer.url).pathname !== location.pathname) { location.assign(answer.url); return; }
      if (answer.ok) exchange(new DOMParser().parseFromString(await answer.text(), 'text/html'));
    } catch {
      // The stream reconnects by itself and brings the next reason to look.
    } finally {
      fetching = false;
      if (again) { again = false; soon(); }
    }
  };
  let waiting = 0;
  const soon = () => { waiting ||= setTimeout(() => { waiting = 0; refresh(); }, 250); };

  const state = $('[data-live-state]');
  const say = (word, text) => { if (state) { state.dataset.liveState = word; state.textContent = text; } };
  let events = null;
  const listen = () => {
    if (!body.dataset.events || events) return;
    events = new EventSource(`${body.dataset.events}?after=${body.dataset.asOf}`);
    events.onopen = () => say('open', 'live');
    events.onmessage = soon;
    events.onerror = () => say('lost', 'reconnecting');
  };
  const stopListening = () => { events?.close(); events = null; };
  // A hidden page needs no connection: browsers allow few to one server.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) { stopListening(); } else if (body.dataset.events) { listen(); refresh(); }
  });

  // A log that is still being written.
  let lines = null;
  const follow = () => {
    const log = $('#log-lines[data-follow]');
    lines?.close();
    if (!log) return;
    const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    if (!location.hash.startsWith('#line-')) log.scrollTop = log.scrollHeight;
    lines = new EventSource(log.dataset.follow);
    lines.onmessage = (event) => {
      const stick = atEnd();
      const template = document.createElement('template');
      template.innerHTML = event.data;
      // A reconnection may repeat lines.
      for (const line of [...template.content.children]) if (!document.getElementById(line.id)) log.append(line);
      if (stick) log.scrollTop = log.scrollHeight;
    };
    lines.addEventListener('end', () => {
      lines.close();
      const word = $('[data-log-state]');
      if (word) word.remove();
      soon();
    });
  };

  // The theme: the form works alone; this spares the page load.
  const root = document.documentElement;
  const setTheme = (theme) => {
    root.dataset.theme = theme;
    for (const button of $$('[data-theme-form] button')) button.setAttribute('aria-pressed', String(button.value === theme));
  };
  $('[data-theme-form]')?.addEventListener('submit', (event) => {
    const form = event.target;
    const theme = event.submitter?.value;
    if (!theme) return;
    event.preventDefault();
    setTheme(theme);
    const fields = new URLSearchParams(new FormData(form));
    fields.set('theme', theme);
    fetch(form.action, { method: 'POST', body: fields, credentials: 'same-origin', redirect: 'manual' }).catch(() => {});
  });

  // Keys.
  const keys = $('#keys');
  const opener = $('[data-keys-open]');
  if (opener && keys) { opener.hidden = false; opener.addEventListener('click', () => keys.showModal()); }
  const step = (by) => {
    const rows = $$('[data-row]');
    const at = rows.findIndex((row) => row.contains(document.activeElement));
    const row = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by))];
    const link = row && $('a', row);
    if (link) { link.focus({ preventScroll: true }); row.scrollIntoView({ block: 'nearest' }); }
  };
  // Search: the field of the page itself, where there is one, else that of the top bar.
  const searchField = () => $('main [data-search] input') ?? $('[data-search] input');
  const found = $('[data-found]');
  let asking = 0;
  const ask = (field) => {
    clearTimeout(asking);
    asking = setTimeout(async () => {
      const url = new URL(field.form.action);
      url.searchParams.set('q', field.value);
      try {
        const answer = await fetch(url, { headers: { accept: 'text/html' }, credentials: 'same-origin' });
        if (!answer.ok || answer.redirected || url.searchParams.get('q') !== field.value) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
        found.replaceChildren(...$('[data-found]', fresh).childNodes);
        document.title = fresh.title;
        history.replaceState(null, '', url);
        tellTimes();
      } catch {
        // Enter asks again, with a whole page.
      }
    }, 120);
  };
  if (found) $('main [data-search] input')?.addEventListener('input', (event) => ask(event.target));

  let before = '';
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || keys?.open) return;
    const inSearch = event.target.closest?.('[data-search] input');
    if (inSearch && event.key === 'ArrowDown' && $('[data-row]')) { step(1); event.preventDefault(); return; }
    if (inSearch && event.key === 'Escape' && !inSearch.value) { inSearch.blur(); return; }
    if (event.target.closest?.('input, select, textarea')) return;
    const both = before + event.key;
    before = event.key === 'g' ? 'g' : '';
    const go = { go: '/', gr: '/runs', gl: '/ledger', gs: '/settings' }[both];
    if (go) { location.assign(go); return; }
    switch (event.key) {
      case 'j': step(1); break;
      case 'k': step(-1); break;
      // Arrows scroll, except from a row that was gone to.
      case 'ArrowDown': if (!event.target.closest?.('[data-row]')) return; step(1); break;
      case 'ArrowUp': {
        const row = event.target.closest?.('[data-row]');
        if (!row) return;
        if (row === $('[data-row]') && found) searchField()?.focus(); else step(-1);
        break;
      }
      case '/': { const field = searchField(); if (!field) return; field.focus(); field.select(); break; }
      case 'l': $('#log-lines')?.focus(); break;
      case '?': keys?.showModal(); break;
      case 't': {
        const buttons = $$('[data-theme-form] button');
        const at = buttons.findIndex((button) => button.getAttribute('aria-pressed') === 'true');
        buttons[(at + 1) % buttons.length]?.click();
        break;
      }
      default: return;
    }
    event.preventDefault();
  });

  addEventListener('pagehide', () => { stopListening(); lines?.close(); });
  tellTimes();
  listen();
  follow();
})();

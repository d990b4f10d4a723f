// What `{% realtime_script %}` adds so that a view knows which page a request is from: requests to
// this site that may change something carry the ids of the page's sockets, for emit(skip=request).
// It wraps fetch and XMLHttpRequest, and with them htmx, axios, jQuery and whatever else uses them.

(() => {
  const Manager = window.io && window.io.Manager;
  if (!Manager) return;
  const HEADER = "X-Realtime-Sids";
  // As in Django, these change nothing. A download that a redirect leads elsewhere would have to be
  // allowed there, with a header more.
  const SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"];
  const MOST = 100;

  // Held weakly: what the page lets go of is gone.
  const sockets = new Set();
  const known = new WeakSet();
  const stockSocket = Manager.prototype.socket;
  Manager.prototype.socket = function (...args) {
    const socket = stockSocket.apply(this, args);
    if (!known.has(socket)) {
      known.add(socket);
      sockets.add(new WeakRef(socket));
    }
    return socket;
  };

  const sids = () => {
    const found = [];
    for (const reference of sockets) {
      const socket = reference.deref();
      if (!socket) sockets.delete(reference);
      else if (socket.connected && new URL(socket.io.uri, location).host === location.host) {
        found.push(socket.id);
      }
    }
    return found.slice(0, MOST).join(",");
  };

  // The value of the header for a request, or "" for one that does not get it.
  const valueFor = (method, address) => {
    if (SAFE.includes(String(method).toUpperCase())) return "";
    const url = new URL(address, document.baseURI);
    // The client's own polls know their socket.
    if (url.origin !== location.origin || url.searchParams.has("EIO")) return "";
    return sids();
  };

  const withHeader = (input, init) => {
    const request = input instanceof Request ? input : undefined;
    const method = (init && init.method) || (request ? request.method : "GET");
    const value = valueFor(method, request ? request.url : input);
    if (!value) return init;
    const headers = new Headers((init && init.headers) || (request && request.headers));
    if (!headers.has(HEADER)) headers.set(HEADER, value);
    return { ...init, headers };
  };

  const stockFetch = window.fetch;
  window.fetch = function fetch(input, init) {
    try {
      init = withHeader(input, init);
    } catch {
      // What is wrong with the request fetch itself says.
    }
    return arguments.length < 1 ? stockFetch.call(this) : stockFetch.call(this, input, init);
  };

  const opened = new WeakMap();
  const { open, send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    opened.set(this, [method, address]);
    return open.call(this, method, address, ...rest);
  };
  XMLHttpRequest.prototype.send = function (...args) {
    try {
      const value = opened.has(this) && valueFor(...opened.get(this));
      if (value) this.setRequestHeader(HEADER, value);
    } catch {
      // It is not open; `send` itself says so.
    }
    return send.apply(this, args);
  };
})();

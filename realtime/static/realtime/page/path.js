// What `{% realtime_script %}` adds where Socket.IO is not at /socket.io/, the stock client's own
// idea: with it `io()` finds the path of this site, and other sites are connected to as before.

(() => {
  const stock = window.io;
  if (!stock) return;
  const { path } = document.currentScript.dataset;

  // As the stock client reads an address.
  const host = (uri) => {
    if (!uri || /^\/(?!\/)/.test(uri)) return location.host;
    if (uri.startsWith("//")) return new URL(location.protocol + uri).host;
    const whole = /^(https?|wss?):\/\//.test(uri) ? uri : `${location.protocol}//${uri}`;
    return new URL(whole).host;
  };
  const arranged = (uri, options) => {
    if (typeof uri === "object" && uri !== null) [uri, options] = [undefined, uri];
    return [uri, host(uri) === location.host ? { path, ...options } : options];
  };

  const io = (uri, options) => stock(...arranged(uri, options));
  class Manager extends stock.Manager {
    constructor(uri, options) {
      super(...arranged(uri, options));
    }
  }
  window.io = Object.assign(io, stock, { io, connect: io, Manager });
})();

// A client that offers subprotocols, over a websocket from the start and by an upgrade.

import { connect, end } from "./lib.mjs";

const socket = await connect("/", { protocols: ["chat", "v2.chat"] });
console.log(JSON.stringify(await socket.ask("echo", "heard")));
end();

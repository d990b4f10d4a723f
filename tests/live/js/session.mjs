// A client with the cookies of a login.

import { connect, end } from "./lib.mjs";

const socket = await connect(process.env.TOPIC);
console.log(JSON.stringify(await socket.ask("who")));
end();

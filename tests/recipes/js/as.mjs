// The people of a recipe's test: `as("ada")` are options of a client that is logged in as her.

export function as(name, options = {}) {
  const Cookie = process.env[`COOKIE_${name.toUpperCase()}`];
  return { extraHeaders: { Cookie }, forceNew: true, ...options };
}

export const nobody = { forceNew: true };

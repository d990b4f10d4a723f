// What a picture goes through before it is sent.

const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp"];
const MAX_BYTES = 3_000_000;
const MAX_EDGE = 2_000;
const SMALL_ENOUGH = 800_000;

/** The file as it is, or a smaller copy of a large photograph; throws an Error whose message the user sees. */
export async function preparePicture(file) {
  if (!TYPES.includes(file.type)) throw new Error("Only PNG, JPEG, GIF and WebP pictures can be sent.");
  // Its type is what the name ends in; whether it is a picture, only decoding it tells.
  const bitmap = await decoded(file);
  // A copy of a GIF would not move any more.
  if (file.size > SMALL_ENOUGH && file.type !== "image/gif") file = await smaller(file, bitmap);
  bitmap.close();
  if (file.size > MAX_BYTES) throw new Error("The picture is larger than 3 MB.");
  return file;
}

async function decoded(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    throw new Error("This picture can't be read.");
  }
}

async function smaller(file, bitmap) {
  const scale = Math.min(1, MAX_EDGE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  // JPEG has no transparency; what was see-through would be black.
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const copy = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
  return copy && copy.size < file.size ? new File([copy], file.name, { type: "image/jpeg" }) : file;
}

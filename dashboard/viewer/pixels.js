// Pixels: the payload taken apart, and pictures computed from it. `viewer.py` writes the payload.

function unpack(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  let at = 4 + length;
  const blobs = {};
  for (const [name, size] of header.blobs) {
    blobs[name] = bytes.slice(at, at + size);
    at += size;
  }
  return { header, blobs };
}

// RGBA of a PNG, exactly as stored.
async function pixels(png, size) {
  const bitmap = await createImageBitmap(new Blob([png], { type: "image/png" }), { colorSpaceConversion: "none" });
  const context = el("canvas", { width: size, height: size }).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, size, size).data;
}

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

// The dimmed photo under each kind of pixel (0 nothing, 1 miss, 2 false alarm, 3 hit): mixed once, so that a new n only copies.
function mixed(photo, colours) {
  return [null, colours.miss, colours.alarm, colours.hit].map((hex) => {
    const colour = hex && rgb(hex);
    const shade = new Uint32Array(photo.length / 4);
    const out = new Uint8ClampedArray(shade.buffer);
    for (let i = 0; i < out.length; i += 4) {
      const grey = 0.3 * photo[i] + 0.59 * photo[i + 1] + 0.11 * photo[i + 2];
      for (let c = 0; c < 3; c++) {
        const dim = 0.38 * (0.6 * grey + 0.4 * photo[i + c]);
        out[i + c] = colour ? 0.74 * colour[c] + 0.7 * dim : dim;
      }
      out[i + 3] = 255;
    }
    return shade;
  });
}

// An explainer's set at n, against the region.
function drawSet(image, shades, region, entry, n) {
  const out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) {
    const chosen = entry && entry[i] > 0 && entry[i] <= n ? 2 : 0;
    out[i] = shades[chosen + region[i]][i];
  }
}

// The region as it is, the rest dimmed, with an edge of white within and black without.
function drawRegion(image, shades, region, photo, size) {
  const out = new Uint32Array(image.data.buffer);
  const bright = new Uint32Array(photo.buffer);
  const beside = (i) => [i % size ? i - 1 : i, (i + 1) % size ? i + 1 : i, i >= size ? i - size : i, i + size < out.length ? i + size : i];
  for (let i = 0; i < out.length; i++) {
    const edge = beside(i).some((j) => region[j] !== region[i]);
    out[i] = edge ? (region[i] ? 0xffffffff : 0xff000000) : region[i] ? bright[i] : shades[0][i];
  }
}

// The attacked image with an explanation's set at n as in the photo.
function drawRestored(image, photo, adversarial, entry, n) {
  const out = new Uint32Array(image.data.buffer);
  const [before, after] = [new Uint32Array(photo.buffer), new Uint32Array(adversarial.buffer)];
  for (let i = 0; i < out.length; i++) out[i] = entry && entry[i] > 0 && entry[i] <= n ? before[i] : after[i];
}

function drawDifference(image, photo, adversarial, gain) {
  for (let i = 0; i < image.data.length; i++)
    image.data[i] = i % 4 === 3 ? 255 : 128 + gain * (adversarial[i] - photo[i]);
}

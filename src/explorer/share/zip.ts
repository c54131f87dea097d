/** @file Arrays for numpy: .npy files in a .zip without compression. The same arrays give the same bytes. */

const table = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c >>> 0;
});

export function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = table[(c ^ b) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** NumPy's format 1.0: magic, version, header length, a Python literal, then the numbers, little-endian. */
export function npy(data: Float32Array | Int32Array, shape: readonly number[]): Uint8Array {
  const type = data instanceof Float32Array ? "<f4" : "<i4";
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  let header = `{'descr': '${type}', 'fortran_order': False, 'shape': (${dims}), }`;
  header += " ".repeat((64 - ((10 + header.length + 1) % 64)) % 64) + "\n";
  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255, header.length >> 8]);
  out.set(new TextEncoder().encode(header), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return out;
}

/** A zip archive, stored. PKWARE APPNOTE 4.3; dates are the format's first, 1980-01-01, so that bytes repeat. */
export function zip(files: readonly { name: string; bytes: Uint8Array }[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const { name, bytes } of files) {
    const path = new TextEncoder().encode(name);
    const sum = crc32(bytes);
    const fields = (central: boolean): Uint8Array => {
      const head = new DataView(new ArrayBuffer(central ? 46 : 30));
      let p = 0;
      const u16 = (x: number): void => { head.setUint16(p, x, true); p += 2; }; // biome-ignore format: one line
      const u32 = (x: number): void => { head.setUint32(p, x, true); p += 4; }; // biome-ignore format: one line
      u32(central ? 0x02014b50 : 0x04034b50);
      if (central) u16(20);
      for (const x of [20, 0x800, 0, 0, 0x21]) u16(x); // version, UTF-8 names, stored, time, date
      for (const x of [sum, bytes.length, bytes.length]) u32(x);
      u16(path.length);
      u16(0);
      if (central) {
        for (const x of [0, 0, 0]) u16(x);
        u32(0);
        u32(at);
      }
      return new Uint8Array(head.buffer);
    };
    central.push(fields(true), path);
    const local = fields(false);
    parts.push(local, path, bytes);
    at += local.length + path.length + bytes.length;
  }
  const size = central.reduce((n, p) => n + p.length, 0);
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size, true);
  end.setUint32(16, at, true);
  const all = [...parts, ...central, new Uint8Array(end.buffer)];
  const out = new Uint8Array(at + size + 22);
  let to = 0;
  for (const p of all) {
    out.set(p, to);
    to += p.length;
  }
  return out;
}

// Create an uncompressed ZIP (photos are already compressed) without copying the files into memory.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

// Larger files need the ZIP64 format.
const MOST_BYTES = 0xffffffff;
const MOST_FILES = 0xffff;

async function checksum(blob) {
  let crc = ~0;
  const reader = blob.stream().getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return ~crc >>> 0;
    for (const byte of value) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  }
}

/** Little-endian numbers of two or four bytes, given as [value, bytes]. */
function bytes(...numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((sum, [, size]) => sum + size, 0)));
  let at = 0;
  for (const [value, size] of numbers) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

/**
 * Return a ZIP as a Blob, from entries [path, file] with "/" between folders. `onEntry(i)` is called before each.
 *
 * Throws an Error if there is more than the format allows: 65,535 files or 4 GB.
 */
export async function zip(entries, onEntry = () => {}) {
  const total = entries.reduce((sum, [path, file]) => sum + file.size + 3 * path.length + 100, 0);
  if (total > MOST_BYTES || entries.length > MOST_FILES) {
    throw new Error("These photos are too large for one ZIP file (4 GB). Group fewer photos at a time.");
  }
  const [parts, directory, sums] = [[], [], new Map()];
  let offset = 0;
  for (const [i, [path, file]] of entries.entries()) {
    onEntry(i);
    if (!sums.has(file)) sums.set(file, await checksum(file));
    const name = new TextEncoder().encode(path);
    const date = new Date(file.lastModified ?? Date.now());
    const day = (Math.max(0, date.getFullYear() - 1980) << 9) | ((date.getMonth() + 1) << 5) | date.getDate();
    const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1);
    // Version 2.0, names in UTF-8, stored.
    const common = [[20, 2], [0x0800, 2], [0, 2], [time, 2], [day, 2], [sums.get(file), 4], [file.size, 4], [file.size, 4], [name.length, 2], [0, 2]];
    const header = bytes([0x04034b50, 4], ...common);
    parts.push(header, name, file);
    directory.push(bytes([0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]), name);
    offset += header.byteLength + name.length + file.size;
  }
  const size = directory.reduce((sum, part) => sum + part.byteLength, 0);
  const end = bytes([0x06054b50, 4], [0, 2], [0, 2], [entries.length, 2], [entries.length, 2], [size, 4], [offset, 4], [0, 2]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

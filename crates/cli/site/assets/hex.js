/** The octets that a text such as `00 ff 7F` or `00ff7f` writes down, or null if it does not. */
export function parseHex(text) {
  const digits = text.replace(/[\s,:]|0x/gi, '');
  if (digits.length % 2 !== 0 || /[^0-9a-f]/i.test(digits)) return null;
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

/** Octets as pairs of digits with spaces between them. */
export function formatHex(octets) {
  return Array.from(octets, (octet) => octet.toString(16).padStart(2, '0')).join(' ');
}

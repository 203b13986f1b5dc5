const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export function milliseconds(ms) {
  if (ms === undefined || ms === null) return '';
  if (ms >= 10_000) return `${tenth.format(ms / 1000)} s`;
  return `${ms < 100 ? tenth.format(ms) : whole.format(ms)} ms`;
}

/** Octets in full up to ten thousand, then in thousands. */
export function octets(count) {
  if (count === undefined || count === null) return '';
  if (count >= 9_999_500) return `${tenth.format(count / 1_000_000)} MB`;
  return count >= 10_000 ? `${tenth.format(count / 1000)} kB` : whole.format(count);
}

export const number = (value) => (value === undefined || value === null ? '' : tenth.format(value));

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

export function milliseconds(ms) {
  if (ms === undefined || ms === null) return '';
  if (ms >= 10_000) return `${tenth.format(ms / 1000)} s`;
  return `${ms < 100 ? tenth.format(ms) : whole.format(ms)} ms`;
}

export const octets = (count) => (count === undefined || count === null ? '' : whole.format(count));

export const number = (value) => (value === undefined || value === null ? '' : tenth.format(value));

const SVG = 'http://www.w3.org/2000/svg';

/** A new element of a drawing. */
export function shape(tag, attributes = {}, ...children) {
  const created = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) created.setAttribute(name, value);
  created.append(...children);
  return created;
}

/** Where a number is between two others, on a logarithmic scale from 0 to 1. */
export function logarithmic(from, to) {
  const [low, high] = [Math.log10(from), Math.log10(to)];
  return (value) => Math.min(1, Math.max(0, (Math.log10(Math.max(value, from)) - low) / (high - low)));
}

const PERCENT = 100;
export const percent = (share) => `${(share * PERCENT).toFixed(2)}%`;

/** What becomes of a list of numbers: nearest ranks, so each is one that was seen. */
export function summary(values) {
  if (values.length === 0) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = (share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  return { min: sorted[0], median: rank(0.5), p95: rank(0.95), max: sorted.at(-1) };
}

/** What was counted between two tallies of a row; from nothing, if there is no earlier one. */
export function difference(later, earlier) {
  const number = (tally, name) => tally?.[name] ?? 0;
  const between = (name) => number(later, name) - number(earlier, name);
  const heads = between('request_head_octets') + between('response_head_octets');
  const bodies = between('request_body_octets') + between('response_body_octets');
  return { requests: between('requests'), heads, bodies, octets: heads + bodies };
}

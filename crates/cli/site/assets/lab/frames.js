const utf8 = new TextEncoder();

export const octetsOf = (text) => utf8.encode(text).length;

/** The octets of one unfragmented frame: RFC 6455, 5.2. What a client sends is masked. */
export function frameOctets(payload, { masked }) {
  let length = 0;
  if (payload > 65_535) length = 8;
  else if (payload > 125) length = 2;
  return 2 + length + (masked ? 4 : 0) + payload;
}

/** The frames of one WebSocket, counted by what went through it: browsers show no frames. */
export class Frames {
  count = 0;
  octets = 0;

  sent(text) {
    this.#add(text, true);
  }

  received(text) {
    this.#add(text, false);
  }

  #add(text, masked) {
    this.count += 1;
    this.octets += frameOctets(octetsOf(text), { masked });
  }

  /** What it is now, to be compared with later. */
  snapshot() {
    return { count: this.count, octets: this.octets };
  }
}

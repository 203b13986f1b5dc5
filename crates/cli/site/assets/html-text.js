const CHARACTERS = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'" };

/**
 * The text that a piece of HTML without elements stands for.
 *
 * The server escapes the name for pages that put a greeting into their HTML. This page shows text, so it
 * undoes the escaping, once and only for the characters that are escaped: no parser of HTML sees what
 * somebody else typed, and `&lt;b&gt;` is read as the `<b>` that was typed.
 */
export function textOfHtml(html) {
  return html.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name) => CHARACTERS[name]);
}

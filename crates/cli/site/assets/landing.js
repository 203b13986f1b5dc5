import { webSocketOrigin } from './dom.js';

const COPIED_MS = 1500;

function fill(selector, text) {
  for (const place of document.querySelectorAll(selector)) place.textContent = text;
}

fill('[data-origin]', location.origin);
fill('[data-ws-origin]', webSocketOrigin());
fill('[data-hostname]', location.hostname);

// Browsers offer the clipboard to secure contexts only; elsewhere the buttons stay hidden.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll('.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      const code = button.closest('.snippet').querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Refused';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, COPIED_MS);
    });
  }
}

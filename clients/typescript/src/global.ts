import SockJS from "./index.js";

/** For pages that load this as a script. */
Object.assign(globalThis, { SockJS });

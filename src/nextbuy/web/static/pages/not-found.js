/** Any address that is none. */

import { el, fill } from "../dom.js";
import { empty, linkButton, start } from "../frame.js";

start((main) => fill(main, el("h1", {}, "Not found"), empty("There is no such page", "The link is wrong, or what it led to has gone.", linkButton("/", "To the shop"))));

/** Any unknown path. */

import { linkButton, singleMessage, start } from "../layout.js";

start((main) => singleMessage(main, "Not found", "Page not found", "The link is wrong, or the page has been removed.", linkButton("/", "To the shop")));

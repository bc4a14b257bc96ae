/** Any address that is none. */

import { alone, linkButton, start } from "../frame.js";

start((main) => alone(main, "Not found", "There is no such page", "The link is wrong, or what it led to has gone.", linkButton("/", "To the shop")));

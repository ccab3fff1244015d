-- grid keep: keeps sessions fresh in a store of files or in Redis, by the keeper.
-- Owns: the list of its verbs.
-- Does not know: the verbs, which are in the folder keep, and the configuration.

local change = require "grid.cli.command.keep.change"
local read = require "grid.cli.command.keep.read"
local run = require "grid.cli.command.keep.run"

return {
  arguments = { { name = "VERB" } },
  options = {},
  verbs = {
    add = change.add, refresh = change.refresh, remove = change.remove,
    get = read.get, status = read.status, list = read.list, run = run,
  },
  text = [[
Keeps sessions with rotating refresh tokens usable: programs that ask at once share one
refresh, and new tokens are durable before a program gets them. The verbs:

  add      adds the tokens of a log-in, from standard input
  get      prints a token, or a header for `curl -H @-`; refreshes first if that is due
  status   shows the state of a session
  list     prints the ids of the sessions
  run      refreshes what is due, until SIGTERM or ^C
  refresh  refreshes now
  remove   removes a session

`grid keep VERB --help` lists the options of a verb. The session of one log-in belongs to one
store: no other program may refresh it.
]],
}

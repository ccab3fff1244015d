-- grid refresh-all: refreshes every session file of a folder, many at a time.
-- Owns: its options, its help text, and the exit code.
-- Does not know: the result of each file, which is in refresh_all/run.lua.

local core = require "grid.core"
local errors = require "grid.errors"
local exit = require "grid.cli.exit"
local progress = require "grid.cli.progress"
local runs = require "grid.cli.command.refresh_all.run"
local schema = require "grid.schema"
local service = require "grid.cli.service"
local session_key = require "grid.cli.session_key"

local CONCURRENCY = 64
local MOST_COUNTED = 100

local refresh_all = {
  service = true,
  arguments = { { name = "DIR" } },
  options = {
    concurrency = { value = "NUMBER", number = true, help = "calls in flight at most; default 64" },
    key = { value = "FILE", help = "the private key of session files that hold none" },
    ["new-key"] = { help = "make a private key for session files that hold none, and save it there" },
  },
  text = [[
Refreshes each DIR/*.json, in the form that `grid refresh --help` describes. If a file fails,
the command continues with the others. New sessions are written to temporary files. At most
0.1 s after the first was written, up to 64 of them are synced to the disk and renamed, and
the folder is synced: after a loss of power each file has the old or the new content,
complete. If the command is killed before it renames, new sessions are in files named
FILE.XXXXXX in DIR, and the answers of calls in flight are lost. If several files have the same
session, by a link or as a copy, the first is refreshed, and the others count as failed.
]],
  exit_codes = [[
exit codes:
  0    every file is refreshed, or there was none
  1 to 100  number of files that failed; 100: 100 or more
  101  failure: the folder cannot be read or synced, or standard output cannot be written
  102  usage error; nothing was done
  103  interrupted (^C, SIGTERM, SIGHUP), after the calls in flight had ended and were saved
  170  internal error
]],
  codes = {
    [exit.FAILED] = 101, [exit.USAGE] = 102, [exit.INTERRUPTED] = 103, [exit.INTERNAL] = 170,
  },
}

local function list_files(folder)
  local all, names = exit.assert(errors.core_result(core.file_names(folder))), {}
  for _, name in ipairs(all) do
    if name:find "^[^.].*%.json$" then names[#names + 1] = name end
  end
  table.sort(names)
  return names
end

function refresh_all.run(given, output)
  local concurrency = given.concurrency or CONCURRENCY
  if schema.count(concurrency) then
    exit.usage "refresh-all: --concurrency must be a whole number from 1 to 2147483647"
  end
  local run
  local client = service.client(given, function() return run:idle() end)
  local names = list_files(given[1])
  run = runs.new(given, names, session_key.text(given), progress.new(output, #names))
  run:refresh(client, concurrency)
  if run.sync_problem then exit.failed(run.sync_problem) end
  service.exit_if_interrupted()
  return math.min(run.progress.failed, MOST_COUNTED)
end

return refresh_all

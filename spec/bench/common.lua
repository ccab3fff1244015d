-- What both sides of a benchmark share, on either VM: the files of $BENCH_DIR, and the
-- time of a round.
-- Does not know: what is measured.

local core = require "grid.core"

local common = {}

local function path_of(name) return os.getenv "BENCH_DIR" .. "/" .. name end

function common.read(name)
  local file = assert(io.open(path_of(name)))
  local text = file:read "*a"
  file:close()
  return text
end

function common.write(name, text)
  local file = assert(io.open(path_of(name), "w"))
  file:write(text)
  file:close()
end

--- Seconds of the second of two equal rounds: what a program pays that goes on, with
--- memory it has used before.
function common.second_round(round)
  round()
  local start = core.now()
  round()
  return core.now() - start
end

return common

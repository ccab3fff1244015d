-- Puts numbers into one record of a store in Redis, each after the one before was
-- confirmed, until the file `stop` is there.
--   puts.lua folder=DIR
-- DIR/confirmed has the last number that the store has confirmed.
-- Does not know: faults.

local process_keeper = require "spec.keeper.process_keeper"

local given = process_keeper.given(arg)
local store = process_keeper.redis(given.folder)
local log = assert(io.open(given.folder .. "/confirmed", "a"))

local function is_over()
  local file = io.open(given.folder .. "/stop")
  return file and file:close()
end

repeat
  local ok, blob, rev = pcall(store.get, store, "puts")
  while ok and (blob or rev == nil) and not is_over() do
    local number = tonumber(blob or 0) + 1
    rev = store:put("puts", rev, ("%d"):format(number))
    if not rev then break end
    blob = number
    log:write(("%d\n"):format(number))
    log:flush()
  end
until is_over()

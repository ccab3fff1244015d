-- Puts numbers into one record of a store in Redis, each after the one before was
-- confirmed, until the file `stop` is there.
--   puts.lua folder=DIR [redis=ADDRESS] [port=FILE]
-- DIR/confirmed has the last number that the store has confirmed.
-- Does not know: faults.

local process_keeper = require "spec.keeper.process_keeper"
local socket = require "socket"

local given = process_keeper.given(arg)
local store = process_keeper.redis(given)
local log = assert(io.open(given.folder .. "/confirmed", "a"))

local function is_over()
  local file = io.open(given.folder .. "/stop")
  return file and file:close()
end

local MOST_FAILURES = 6000 -- in a row: the server has ended with the program that started it
local failures = 0

repeat
  failures = failures + 1
  if failures > 1 then socket.sleep(0.01) end
  local ok, blob, rev = pcall(store.get, store, "puts")
  while ok and (blob or rev == nil) and not is_over() do
    local number = tonumber(blob or 0) + 1
    rev = store:put("puts", rev, ("%d"):format(number))
    if not rev then break end
    blob, failures = number, 0
    log:write(("%d\n"):format(number))
    log:flush()
  end
until is_over() or failures > MOST_FAILURES

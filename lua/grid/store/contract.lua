-- Declares the interface of stores, and checks the arguments of the library's own.
-- Owns: the annotation of a store, the checks, the order of ids, the form of times and of
-- random names.
-- Does not know: the place and the content of records.

local argument = require "grid.argument"
local core = require "grid.core"
local errors = require "grid.errors"

local contract = {}

--- Keeps records, each of them one blob under an id of 1 to 255 bytes, which are replaced
--- by compare-and-set on a rev. A user's own store may raise instead of returning an
--- error. After an error of `put` or `remove` the change may have been made; with the
--- code "not_durable" it was, and may be lost: the keeper puts such a record once more.
--- The library's own stores also accept a put without `due_at`, of a record that is never
--- due, and give the ids that are due earliest first.
---@class (exact) grid.Store
---@field is_local boolean is the store used on one machine only?
---@field get fun(self: grid.Store, id: string): string?, any blob and rev of the last put; nil: no record, or nil and an error
---@field is_unchanged? fun(self: grid.Store, id: string, rev: any): boolean would get return that rev? false: unknown
---@field put fun(self: grid.Store, id: string, rev: any, blob: string, due_at: number): any, any rev | nil, "conflict" or error
---@field remove fun(self: grid.Store, id: string, rev: any): true?, any true | nil, "conflict" or error
---@field due fun(self: grid.Store, now: number, limit: integer): string[]?, any ids whose due_at has come, in any order
---@field list fun(self: grid.Store, limit: integer, after?: string): string[]?, any ids in byte order
---@field durability fun(self: grid.Store): string where a record is kept, and what it survives, for a status page

local MAX_ID = 255 -- bytes

local function check_type(what, name, value, expected, is_optional)
  if type(value) == expected or is_optional and value == nil then return end
  argument.raise_type(value, "%s: '%s' must be a %s%s", what, name, expected, is_optional and " or nil" or "")
end

function contract.check_id(what, id)
  check_type(what, "id", id, "string")
  if #id < 1 or #id > MAX_ID then argument.raise("%s: 'id' must have 1 to %d bytes", what, MAX_ID) end
end

function contract.check_rev(what, rev)
  check_type(what, "rev", rev, "string")
end

function contract.check_put(what, id, expected_rev, blob, due_at)
  contract.check_id(what, id)
  check_type(what, "expected_rev", expected_rev, "string", true)
  check_type(what, "blob", blob, "string")
  check_type(what, "due_at", due_at, "number", true)
  if due_at ~= due_at then argument.raise("%s: 'due_at' must be a number of seconds", what) end
end

local function check_limit(what, limit)
  check_type(what, "limit", limit, "number")
  if limit < 1 then argument.raise("%s: 'limit' must be 1 or more", what) end
end

function contract.check_due(what, now, limit)
  check_type(what, "now", now, "number")
  check_limit(what, limit)
end

function contract.check_list(what, limit, after)
  check_limit(what, limit)
  check_type(what, "after", after, "string", true)
end

--- So many random bytes in hexadecimal digits. -> text | nil, error
function contract.random_hex(size)
  local random, err = errors.core_result(core.random_bytes(size))
  if not random then return nil, err end
  return core.hex(random)
end

contract.LATEST = 2 ^ 32 - 1 -- seconds since 1970: the latest time that each file system can keep

--- A time in whole microseconds, as text: the decimal point would depend on the locale.
function contract.microseconds(seconds)
  return ("%d"):format(math.floor(math.max(0, math.min(seconds, contract.LATEST)) * 1e6 + 0.5))
end

-- On Lua 5.4 `<` compares strings by the program's locale.
local function compare_bytes(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

local function compare(a, b)
  return a < b
end

-- The function that compares strings by their bytes, for table.sort.
local function byte_order()
  local locale = os.setlocale(nil, "collate")
  return (rawget(_G, "jit") or locale == "C" or locale == "POSIX") and compare or compare_bytes
end

--- The first `limit` of the ids that follow `after`, in byte order.
function contract.page(ids, limit, after)
  local precedes = byte_order()
  local following = {}
  for _, id in ipairs(ids) do
    if not after or precedes(after, id) then following[#following + 1] = id end
  end
  table.sort(following, precedes)
  for i = #following, limit + 1, -1 do following[i] = nil end
  return following
end

return contract

-- A table with the methods of ngx.shared.DICT that stores use, so that specs can stop a
-- worker between any two calls.
-- Owns: the keys. `on_call(method, key)` is called before each call; it may yield or
-- raise.
-- Does not know: stores.

local dictionary = {}

local Dictionary = {}
Dictionary.__index = Dictionary

local KEY_BYTES = 64 -- what nginx takes for a key, about

function dictionary.new(capacity)
  return setmetatable({ keys = {}, size = capacity or 2 ^ 20, used = 0, on_call = function() end }, Dictionary)
end

local function bytes(key, value)
  return KEY_BYTES + #key + (type(value) == "string" and #value or 8)
end

function Dictionary:get(key)
  self.on_call("get", key)
  return self.keys[key]
end

function Dictionary:safe_add(key, value)
  self.on_call("safe_add", key)
  if self.keys[key] ~= nil then return false, "exists" end
  if self.used + bytes(key, value) > self.size then return nil, "no memory" end
  self.keys[key], self.used = value, self.used + bytes(key, value)
  return true
end

function Dictionary:replace(key, value)
  self.on_call("replace", key)
  local old = self.keys[key]
  if old == nil then return false, "not found" end
  assert(type(old) == "string" and #old == #value, "a replacement of another size may remove other keys")
  self.keys[key] = value
  return true
end

function Dictionary:incr(key, step)
  self.on_call("incr", key)
  if self.keys[key] == nil then return nil, "not found" end
  self.keys[key] = self.keys[key] + step
  return self.keys[key]
end

function Dictionary:delete(key)
  self.on_call("delete", key)
  if self.keys[key] ~= nil then self.used = self.used - bytes(key, self.keys[key]) end
  self.keys[key] = nil
end

function Dictionary:get_keys()
  self.on_call "get_keys"
  local keys = {}
  for key in pairs(self.keys) do keys[#keys + 1] = key end
  return keys
end

function Dictionary:capacity() return self.size end
function Dictionary:free_space() return self.size - self.used end

return dictionary

-- A module that is loaded when a field of it is first read: a program that makes one call
-- and ends spends more time on loading than on calling. Inside nginx it is loaded at
-- once, in init_by_lua: later its file may have changed, or be out of the worker's reach.

---@param name string
---@return table
return function(name)
  if rawget(_G, "ngx") then return require(name) end
  return setmetatable({}, { __index = function(_, field) return require(name)[field] end })
end

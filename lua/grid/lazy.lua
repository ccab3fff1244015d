-- A module that is loaded when a field of it is first read, since a program that makes
-- one call spends more time on loading than on the call. Inside nginx it is loaded at
-- once, in init_by_lua: a worker may not be able to read its file.
-- Does not know: the modules.

---@param name string
---@return table
return function(name)
  if rawget(_G, "ngx") then return require(name) end
  return setmetatable({}, { __index = function(_, field) return require(name)[field] end })
end

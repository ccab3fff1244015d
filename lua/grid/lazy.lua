-- A module that is loaded when something in it is first asked for. A program that makes one call and ends spends more time on
-- loading than on calling.

---@param name string
---@return table
return function(name)
  return setmetatable({}, { __index = function(_, field) return require(name)[field] end })
end

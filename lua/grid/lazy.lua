-- Loads a module when a field of it is first read, since loading all modules takes longer
-- than one call. Inside nginx the module is loaded immediately, in init_by_lua, since a
-- worker may not be able to read its file.
-- For modules that are needed before a request is sent: when its answer is received, the
-- process may have no descriptor left.
-- Owns: nothing; a loaded module is in package.loaded.
-- Does not know: any module.

---@param name string
---@return table
return function(name)
  if rawget(_G, "ngx") then return require(name) end
  return setmetatable({}, {
    __index = function(self, field)
      self[field] = require(name)[field]
      return rawget(self, field)
    end,
  })
end

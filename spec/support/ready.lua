-- The line that a server for tests prints when it serves: `ready http=… ca=… pid=…`. A
-- value may hold blanks.
-- Does not know: the servers.

---@param line string
---@return table<string, string>
return function(line)
  local values = {}
  for name, value in line:gsub(" (%l+=)", "\n%1"):gmatch "(%l+)=([^\n]*)" do values[name] = value end
  return values
end

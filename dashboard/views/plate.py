import streamlit as st
st.title('plate')
